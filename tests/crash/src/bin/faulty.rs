//! Name server and broker as shipped, on a disk whose faults a test scripts.

use std::process::ExitCode;

use rocketmq_testbed::faults::{disk_of_environment, follow_clock};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    follow_clock();
    let code = match args.split_first() {
        Some((program, rest)) if program == "namesrv" => rocketmq_namesrv::cli::run(rest),
        Some((program, rest)) if program == "broker" => {
            rocketmq_broker::cli::run_on(rest, disk_of_environment())
        }
        _ => 1,
    };
    ExitCode::from(code as u8)
}
