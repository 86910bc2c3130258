//! The limits of this machine that a broker runs into.

use std::fs;

use super::finding::Findings;

const PLACE: &str = "this machine";
/// What the broker's tuning script sets.
const MAPS: u64 = 655_360;
/// Files a broker with many topics has open at once.
const OPEN_FILES: u64 = 65_535;

pub(super) fn look(findings: &mut Findings) {
    if let Some(maps) = maps_max() {
        judge_maps(maps, findings);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(files) = open_files(&limits) {
        judge_files(files, findings);
    }
}

/// How many maps a process may have.
pub(super) fn maps_max() -> Option<u64> {
    fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

fn judge_maps(maps: u64, findings: &mut Findings) {
    if maps < MAPS {
        findings.warn(
            PLACE,
            format!("vm.max_map_count is {maps}"),
            "a broker maps every file of its store; past the limit it cannot open further ones",
            "sysctl -w vm.max_map_count=655360 (bin/os.sh does it) on each machine with a broker",
        );
    } else {
        findings.fine(PLACE, format!("vm.max_map_count is {maps}"));
    }
}

/// The soft limit of open files; `None` if it is unlimited or not to be read.
pub(super) fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn judge_files(files: u64, findings: &mut Findings) {
    if files < OPEN_FILES {
        findings.warn(
            PLACE,
            format!("processes may have {files} files open"),
            "each connection and each queue file counts; past the limit clients are turned away",
            "ulimit -n 655350 before the start, or nofile in /etc/security/limits.conf",
        );
    } else {
        findings.fine(PLACE, format!("processes may have {files} files open"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn small_limits_are_told() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 4096                 files     \n";
        assert_eq!(open_files(text), Some(1024));
        let mut findings = Findings::default();
        judge_files(1024, &mut findings);
        judge_maps(655_360, &mut findings);
        let severities: Vec<_> = findings.0.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Warning, Severity::Fine]);
    }
}
