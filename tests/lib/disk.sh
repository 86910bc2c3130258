# Takes RocketMQ's limits on the use of the disk away from the daemons of a test, sourced by POSIX shells: how full the
# machine's disk is must not decide a test. Ours read the environment, Java's are given $any_disk as arguments.

any_disk="-Drocketmq.broker.diskSpaceWarningLevelRatio=1.1 -Drocketmq.broker.diskSpaceCleanForciblyRatio=1.1"
export JAVA_OPT="$any_disk"
