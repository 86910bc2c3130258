//! completion: what a shell needs to complete mqadmin's commands and options. Ours, not Java's.

use std::fmt::Write;

use super::COMMANDS;
use super::command::{Command, Session};
use super::failure::Failure;
use crate::options::{OURS, required};
use crate::out::out;

pub(crate) const COMPLETION: Command = Command {
    name: "completion",
    class: "Completion",
    description: "Print a completion script: eval \"$(mqadmin completion -s bash)\"",
    options: &[required("s", "shell", "bash|zsh")],
    run: |session| Box::pin(completion(session)),
};

async fn completion(session: &Session) -> Result<(), Failure> {
    match session.given.text("s") {
        "bash" => out!("{}", bash()),
        // zsh takes bash's functions.
        "zsh" => out!("autoload -U +X bashcompinit && bashcompinit\n{}", bash()),
        _ => return Err(Failure::Usage),
    }
    Ok(())
}

fn bash() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    let mut text = format!(
        "_mqadmin() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}} options=\n    \
         if [ \"$COMP_CWORD\" = 1 ]; then\n        \
         COMPREPLY=($(compgen -W 'help {}' -- \"$word\"))\n        return\n    fi\n    \
         if [ \"$COMP_CWORD\" = 2 ] && [ \"${{COMP_WORDS[1]}}\" = help ]; then\n        \
         COMPREPLY=($(compgen -W '{0}' -- \"$word\"))\n        return\n    fi\n    \
         case ${{COMP_WORDS[1]}} in\n",
        names.join(" ")
    );
    for command in COMMANDS {
        let options = command.all_options();
        let options = options.iter().chain(&OURS).map(|option| format!("--{}", option.long.trim()));
        let options: Vec<String> = options.filter(|option| !option.contains(' ')).collect();
        let _ = writeln!(text, "    {}) options='{}' ;;", command.name, options.join(" "));
    }
    text + "    esac\n    \
            case $word in -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;; esac\n}\n\
            complete -o default -F _mqadmin mqadmin\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_command_and_its_options() {
        let script = bash();
        for command in COMMANDS {
            assert!(script.contains(&format!("    {}) options='--help", command.name)));
        }
        assert!(script.contains("--topic"));
        assert!(script.contains("--strict"));
    }
}
