//! A broker that runs on this machine: its process, its configuration file, its disk.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rocketmq_common::properties::Properties;

use super::finding::Findings;
use super::machine::{maps_max, open_files};
use crate::admin::command::Session;

/// Part of a limit from which it is told.
const NEARLY: f64 = 0.8;
/// The last line of `--check`.
const VERDICT: &str = "nothing was started.";

/// Looks, if the address is one of this machine and the store that the broker names lies here.
pub(super) async fn look(
    session: &Session,
    place: &str,
    address: &str,
    config: &Properties,
    findings: &mut Findings,
) {
    let root = config.get("storePathRootDir").map(PathBuf::from);
    let Some(root) = root.filter(|root| is_here(address) && root.join("lock").is_file()) else {
        return;
    };
    let log = config.get("storePathCommitLog").map_or_else(|| root.join("commitlog"), Into::into);
    for folder in [&root, &log] {
        judge_inodes(place, folder, findings);
    }
    if let Ok(topics) = session.admin.all_topic_config(address).await {
        let known = topics.topic_config_table.keys().map(String::as_str).collect();
        judge_queues(place, address, &root.join("consumequeue"), &known, findings);
    }
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    if let Some(process) = holder(&root.join("lock"), &locks) {
        judge_process(place, &process, findings);
        if let Some(file) = configuration_of(&process) {
            let is_unknown = |line: &&str| line.contains(" is unknown and has no effect");
            report(&check(&file), is_unknown, findings);
        }
    }
}

/// Whether the address's host is this machine.
fn is_here(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.parse::<IpAddr>().is_ok_and(|ip| UdpSocket::bind((ip, 0)).is_ok())
}

fn judge_inodes(place: &str, folder: &Path, findings: &mut Findings) {
    let Ok(stat) = rustix::fs::statvfs(folder) else { return };
    // Some file systems make them as needed, and count none.
    if stat.f_files > 0 {
        let used = 1.0 - stat.f_favail as f64 / stat.f_files as f64;
        judge_use(place, &format!("inodes of {}", folder.display()), used, findings);
    }
}

fn judge_use(place: &str, what: &str, used: f64, findings: &mut Findings) {
    if used >= NEARLY {
        findings.warn(
            place,
            format!("{:.0} % of the {what} are in use", used * 100.0),
            "at the limit no file can be made or opened, and messages are refused",
            "delete what is not needed, or raise the limit: nofile in /etc/security/limits.conf, \
             vm.max_map_count with sysctl, inodes with a new file system",
        );
    }
}

/// The folder in /proc of the process that holds the store's lock.
fn holder(lock: &Path, locks: &str) -> Option<PathBuf> {
    let inode = format!(":{}", fs::metadata(lock).ok()?.ino());
    let line = locks.lines().find(|line| line.split_whitespace().any(|w| w.ends_with(&inode)))?;
    let pid: u32 = line.split_whitespace().nth(4)?.parse().ok()?;
    let process = PathBuf::from(format!("/proc/{pid}"));
    process.is_dir().then_some(process)
}

fn judge_process(place: &str, process: &Path, findings: &mut Findings) {
    let limits = fs::read_to_string(process.join("limits")).unwrap_or_default();
    let open = fs::read_dir(process.join("fd")).map(Iterator::count);
    if let (Some(limit), Ok(open)) = (open_files(&limits), open) {
        judge_use(place, "open files allowed to its process", open as f64 / limit as f64, findings);
    }
    let maps = fs::read_to_string(process.join("maps")).map(|maps| maps.lines().count());
    if let (Some(limit), Ok(maps)) = (maps_max(), maps) {
        judge_use(place, "maps allowed to its process", maps as f64 / limit as f64, findings);
    }
}

/// The configuration file that a process was started with.
fn configuration_of(process: &Path) -> Option<PathBuf> {
    let line = fs::read(process.join("cmdline")).ok()?;
    let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let at = words.iter().position(|word| word == "-c" || word == "--configFile")?;
    let file = words.get(at + 1)?;
    Some(fs::read_link(process.join("cwd")).ok()?.join(&**file))
}

/// Queues on the disk of topics that the broker does not have.
fn judge_queues(
    place: &str,
    address: &str,
    folder: &Path,
    known: &BTreeSet<&str>,
    findings: &mut Findings,
) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // Half messages and delays have queues, and topics that are not in the table.
    let is_system = |name: &str| name.starts_with("RMQ_SYS_") || name == "SCHEDULE_TOPIC_XXXX";
    let left: Vec<_> =
        names.filter(|name| !known.contains(name.as_str()) && !is_system(name)).collect();
    if let Some(first) = left.first() {
        findings.warn(
            place,
            format!(
                "{} folders in {} belong to no topic, as {first}",
                left.len(),
                folder.display()
            ),
            "queue files of deleted topics take room",
            &format!("mqadmin cleanUnusedTopic -b {address}"),
        );
    }
}

/// Everything that is wrong with a broker's configuration file.
pub(super) fn look_at_file(file: &str, findings: &mut Findings) {
    let printed = check(Path::new(file));
    if !report(&printed, |line| !line.contains(VERDICT), findings) {
        findings.fine(file, "the configuration can be used");
    }
}

/// What this program says of a configuration file.
fn check(file: &Path) -> String {
    let Ok(program) = std::env::current_exe() else { return String::new() };
    let mut command = Command::new(program);
    command.args(["broker", "--check", "-c"]).arg(file).stdin(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => String::new(),
        Ok(output) => {
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        }
        Err(error) => format!("{}: cannot be checked: {error}", file.display()),
    }
}

/// Tells the lines that count; whether there was one.
fn report(printed: &str, counts: impl Fn(&&str) -> bool, findings: &mut Findings) -> bool {
    let mut any = false;
    for line in printed.lines().filter(|line| !line.trim().is_empty()).filter(counts) {
        any = true;
        findings.error(
            "configuration",
            line,
            "the broker starts without it, or not at all",
            "correct the file; sh bin/mqbroker -c FILE --check tries it, a restart puts it in force",
        );
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let file = std::env::current_exe().unwrap();
        let inode = fs::metadata(&file).unwrap().ino();
        let me = std::process::id();
        let locks = format!(
            "1: POSIX  ADVISORY  WRITE 1 08:01:1 0 EOF\n\
             2: FLOCK  ADVISORY  WRITE {me} 08:01:{inode} 0 EOF\n"
        );
        assert_eq!(holder(&file, &locks), Some(PathBuf::from(format!("/proc/{me}"))));
        assert_eq!(holder(&file, "1: POSIX  ADVISORY  WRITE 1 08:01:1 0 EOF\n"), None);
    }

    #[test]
    fn limits_that_are_nearly_reached_are_told() {
        let mut findings = Findings::default();
        judge_use("b", "open files", 0.79, &mut findings);
        assert!(findings.0.is_empty());
        judge_use("b", "open files", 0.81, &mut findings);
        assert_eq!(findings.0[0].what, "81 % of the open files are in use");
    }

    #[test]
    fn addresses_of_this_machine_are_known() {
        assert!(is_here("127.0.0.1:10911"));
        assert!(!is_here("192.0.2.1:10911"));
    }
}
