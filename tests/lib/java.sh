# The Java 4.9.2 peer's class path and flags, sourced by POSIX shells; needs $repo.

interop_out="${INTEROP_OUT:-$repo/target/interop}"
java_bin="${JAVA_HOME:+$JAVA_HOME/bin/}java"
java_class_path="$interop_out/lib/*"

# RocketMQ 4.9.2 reaches into JDK internals (unmapping buffers, test certificates); JDK 17 wants these named.
java_flags="-Djava.net.preferIPv4Stack=true -Dfile.encoding=UTF-8
 --add-exports java.base/sun.nio.ch=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED
 --add-exports java.base/sun.security.x509=ALL-UNNAMED --add-exports java.base/sun.security.util=ALL-UNNAMED
 --add-opens java.base/sun.nio.ch=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED
 --add-opens java.base/jdk.internal.ref=ALL-UNNAMED --add-opens java.base/java.lang=ALL-UNNAMED
 --add-opens java.base/java.util=ALL-UNNAMED"

# Writes the least logback files that Java's daemons and tools want into $1/conf; logs go to $1/logs/NAME.log.
java_home_files() {
    mkdir -p "$1/conf" "$1/logs"
    for java_log in namesrv broker tools; do
        cat >"$1/conf/logback_$java_log.xml" <<XML
<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>$1/logs/$java_log.log</file>
    <encoder><pattern>%d{yyyy-MM-dd HH:mm:ss.SSS} %p %t - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
XML
    done
}
