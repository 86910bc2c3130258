//! The log of a whole process: one test, as a process has one log.

use rocketmq_common::logging::{self, Profile};

#[test]
fn a_panic_is_in_the_log_before_its_thread_ends() {
    let home = tempfile::tempdir().unwrap();
    let guard = logging::init(Profile::Namesrv, home.path());
    tracing::info!(target: logging::NAMESRV, thread = "main", "before");
    let result = std::thread::Builder::new()
        .name("Doomed".to_owned())
        .spawn(|| panic!("gone"))
        .unwrap()
        .join();
    assert!(result.is_err());
    let logs = home.path().join("logs/rocketmqlogs");
    let text = std::fs::read_to_string(logs.join("namesrv_default.log")).unwrap();
    assert!(text.contains(" ERROR Doomed - ") && text.contains("gone"), "{text}");
    let text = std::fs::read_to_string(logs.join("namesrv.log")).unwrap();
    assert!(text.ends_with(" INFO main - before\n"), "{text}");
    // A second set-up leaves the first in place.
    drop(logging::init(Profile::Broker, home.path()));
    tracing::info!(target: logging::NAMESRV, thread = "main", "after");
    drop(guard);
    let text = std::fs::read_to_string(logs.join("namesrv.log")).unwrap();
    assert!(text.ends_with(" INFO main - after\n"), "{text}");
}
