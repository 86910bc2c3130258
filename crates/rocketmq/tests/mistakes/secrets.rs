//! No secret is shown: not by any command, not in any log, error, page, metric or process title.
//! Every secret here begins with [`MARK`].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use rocketmq_testbed::daemon::free_port;

use crate::place::{Daemon, Place, Printed, pem, until};

/// What every secret begins with; nothing else does.
const MARK: &str = "hush-";

const RULES: &str = "\
accounts:
- accessKey: administrator
  secretKey: hush-of-admin
  admin: true
- accessKey: shop-account
  secretKey: hush-of-shop
  topicPerms: [T=SUB]
";

/// They go on until they are stopped.
const ENDLESS: [&str; 2] = ["startMonitoring", "clusterRT"];

/// Every other command with its options; `@` stands for the broker, `/` for the folder.
const CALLS: &[&str] = &[
    "updateTopic -b @ -t T",
    "updateSubGroup -b @ -g G",
    "sendMessage -t T -k KEY -c TAG -p body",
    "sendMsgStatus -b broker-a -s 8 -c 1",
    "checkMsgSendRT -t T -a 1 -s 8",
    "updateBrokerConfig -b @ -k waitTimeMillsInSendQueue -v 201",
    "updateTopicPerm -b @ -t T -p 6",
    "topicRoute -t T",
    "topicStatus -t T",
    "topicClusterList -t T",
    "topicList -c",
    "brokerStatus -b @",
    "brokerStatus -c DefaultCluster",
    "queryMsgById -i 7F00000100002A9F0000000000000000",
    "queryMsgByKey -t T -k KEY",
    "queryMsgByUniqueKey -t T -i 7F0000010000000000000000000000000",
    "queryMsgByOffset -t T -b broker-a -i 0 -o 0",
    "QueryMsgTraceById -i KEY",
    "printMsg -t T -d true",
    "printMsgByQueue -t T -a broker-a -i 0 -p true -d true",
    "consumeMessage -t T -c 1",
    "brokerConsumeStats -b @",
    "producerConnection -g G -t T",
    "consumerConnection -g G",
    "consumerProgress -g G",
    "consumerProgress",
    "consumerStatus -g G -s",
    "cloneGroupOffset -s G -d H -t T",
    "clusterList",
    "clusterList -m",
    "updateKvConfig -s NS -k K -v V",
    "deleteKvConfig -s NS -k K",
    "wipeWritePerm -b broker-a",
    "addWritePerm -b broker-a",
    "resetOffsetByTime -g G -t T -s now",
    "updateOrderConf -m get -t T",
    "cleanExpiredCQ -b @",
    "cleanUnusedTopic -b @",
    "statsAll",
    "allocateMQ -t T -i 10.0.0.1",
    "getNamesrvConfig",
    "updateNamesrvConfig -k clusterTest -v false",
    "getBrokerConfig -b @",
    "getConsumerConfig -g G",
    "queryCq -b @ -t T -q 0 -i 0",
    "updateAclConfig -b @ -a newcomer -s hush-of-newcomer -t T=SUB",
    "updateAclConfig -b @ -a short -s hush-of-short",
    "updateAclConfig -b @ -a newcomer -s hush-of-newcomer -t T:SUB",
    "updateAclConfig -b @ -a newcomer -s hush-of-newcomer -w 1.2.3.400",
    "deleteAccessConfig -b @ -a newcomer",
    "deleteAccessConfig -b @ -a nobody-here",
    "clusterAclConfigVersion -b @",
    "updateGlobalWhiteAddr -b @ -g 10.0.0.1",
    "getAccessConfigSubCommand -b @",
    "getAccessConfigSubCommand -c DefaultCluster",
    "exportMetadata -c DefaultCluster -f /",
    "exportConfigs -c DefaultCluster -f /",
    "exportMetrics -c DefaultCluster -f /",
    "doctor -t T -g G",
    "doctor -a shop-account",
    "doctor -a shop-account -t T -f /b.conf",
    "completion -s bash",
    "storeVerify -d /store -c /b.conf",
    "deleteSubGroup -b @ -g G",
    "deleteTopic -c DefaultCluster -t T",
];

/// A cluster that is full of secrets.
struct Guarded {
    place: Place,
    metrics: u16,
    dashboard: u16,
    java_opt: String,
}

impl Guarded {
    fn new() -> Guarded {
        let place = Place::new("mistakes-secrets");
        place.write("conf/plain_acl.yml", RULES);
        let tls = format!(
            "tls.test.mode.enable=false\ntls.server.certPath={valid}\ntls.server.keyPath={key}\n\
             tls.server.keyPassword=hush-key-password\ntls.client.certPath={valid}\n\
             tls.client.keyPath={plain}\ntls.client.authServer=true\n\
             tls.client.trustCertPath={ca}\ntls.client.keyPassword=hush-key-password\n",
            valid = pem("valid.pem"),
            key = pem("valid.enc"),
            // Two hundred times a key is not opened without need.
            plain = pem("valid.key"),
            ca = pem("ca.pem"),
        );
        let tls = place.write("tls.properties", &tls);
        let java_opt = format!("-Dtls.config.file={tls} -Dtls.enable=true");
        Guarded { place, metrics: free_port(), dashboard: free_port(), java_opt }
    }

    fn start(&self) -> [Daemon; 3] {
        let namesrv = self.place.start_namesrv(&self.java_opt);
        let more = format!(
            "aclEnable=true\nautoCreateTopicEnable=false\nmetricsPromExporterPort={}",
            self.metrics
        );
        let broker =
            self.place.daemon("broker", &self.place.settings("b.conf", &more), &self.java_opt);
        self.place.write("data/users.properties", "admin=hush-of-dashboard,1\n");
        let text = format!(
            "server.address=127.0.0.1\nserver.port={}\nrocketmq.config.namesrvAddr=127.0.0.1:{}\n\
             rocketmq.config.dataPath={}\nrocketmq.config.loginRequired=true\n\
             rocketmq.config.useTLS=true\nrocketmq.config.accessKey=administrator\n\
             rocketmq.config.secretKey=hush-of-admin\n",
            self.dashboard,
            self.place.namesrv,
            self.place.path("data").display(),
        );
        let file = self.place.write("application.properties", &text);
        let dashboard = self.place.daemon("dashboard", &file, &self.java_opt);
        [namesrv, broker, dashboard]
    }

    fn mqadmin(&self, call: &str, more: &[&str]) -> Printed {
        let (broker, folder) = (self.place.broker_address(), self.place.path("out"));
        let home = self.place.scratch.path().display().to_string();
        let words: Vec<String> = call
            .split(' ')
            .map(|word| match word {
                "@" => broker.clone(),
                "/" => folder.display().to_string(),
                _ if word.starts_with('/') => format!("{home}{word}"),
                _ => word.to_string(),
            })
            .collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.extend(more);
        self.place.mqadmin(&words, &self.java_opt)
    }

    /// A page of the dashboard, or of the metrics; the head of the answer is part of it.
    fn page(&self, port: u16, request: &str, cookie: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn assert_quiet(what: &str, text: &str) {
    if let Some(line) = text.lines().find(|line| line.contains(MARK)) {
        panic!("{what} shows a secret: {line}");
    }
}

fn quiet_files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += quiet_files(&path);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert_quiet(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
            count += 1;
        }
    }
    count
}

#[test]
fn every_command_is_called() {
    let place = Place::new("mistakes-commands");
    let list = place.mqadmin(&[], "").text;
    let lines = list.lines().filter_map(|line| line.strip_prefix("   "));
    let names: Vec<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() > 54, "{list}");
    for name in names.into_iter().filter(|name| !ENDLESS.contains(name)) {
        let is_called = |call: &&str| call.split(' ').next() == Some(name);
        assert!(CALLS.iter().any(is_called), "{name} is not called");
    }
}

#[test]
fn no_secret_is_shown_anywhere() {
    let cluster = Guarded::new();
    let daemons = cluster.start();
    let place = &cluster.place;
    place.sign_as("administrator", "hush-of-admin");
    until("the broker is known", || cluster.mqadmin("clusterList", &[]).text.contains("broker-a"));
    // As an administrator, with everything there is to show; as an account that may little; with a
    // wrong secret; without an account.
    let both = [&["--verbose"][..], &["--json", "--strict"]];
    for (key, secret, variants) in [
        ("administrator", "hush-of-admin", &both[..]),
        ("shop-account", "hush-of-shop", &both[..1]),
        ("administrator", "hush-that-is-wrong", &both[..1]),
        ("", "", &both[..1]),
    ] {
        place.sign_as(key, secret);
        for call in CALLS {
            for more in variants {
                let printed = cluster.mqadmin(call, more);
                assert_quiet(&format!("{call} as {key:?}"), &printed.text);
            }
        }
    }
    place.sign_as("administrator", "hush-of-admin");
    let accounts = cluster.mqadmin("getAccessConfigSubCommand -b @", &[]).text;
    assert!(accounts.contains("shop-account") && accounts.contains("******"), "{accounts}");
    assert!(quiet_files(&place.path("out")) > 0);

    // A file that cannot be read is told of with its place, not with its content.
    place.write("conf/tools.yml", "accessKey: administrator\n   secretKey: [hush-of-admin\n");
    assert_quiet("a broken tools.yml", &cluster.mqadmin("clusterList", &[]).text);
    let text = format!("{RULES}  defaultTopicPerm: hush-x\n  secretKey: hush-twice\n");
    place.write("conf/plain_acl.yml", &text);
    let refused = "the rules of before stay in force";
    until("the broken rules are refused", || place.log("broker.log").text.contains(refused));
    // The shipped program says what it would run with.
    for option in ["-p", "-m", "--check"] {
        let file = place.path("b.conf").display().to_string();
        let printed =
            place.run(&["broker", "-c", &file, option], &[("JAVA_OPT", &cluster.java_opt)]);
        assert_quiet(&format!("broker {option}"), &printed.text);
    }
    let wrong = cluster.java_opt.replace("tls.properties", "wrong.properties");
    let settings = std::fs::read_to_string(place.path("tls.properties")).unwrap();
    let settings = settings.replace("valid.key", "valid.enc");
    place.write("wrong.properties", &settings.replace("hush-key-password", "hush-wrong"));
    let wrong = place.mqadmin(&["clusterList", "--verbose"], &wrong).text;
    assert!(wrong.contains("is tls.client.keyPassword right?"), "{wrong}");
    assert_quiet("a wrong password", &wrong);

    let metrics = cluster.page(cluster.metrics, "GET /metrics", "", "");
    assert!(metrics.contains("rocketmq_broker_refused_total"), "{metrics}");
    assert_quiet("/metrics", &metrics);
    dashboard(&cluster);
    for daemon in &daemons {
        let process = format!("/proc/{}", daemon.0.id());
        for file in ["cmdline", "comm", "status"] {
            let text = std::fs::read(format!("{process}/{file}")).unwrap();
            assert_quiet(file, &String::from_utf8_lossy(&text));
        }
        assert_quiet("the console of a daemon", &daemon.printed());
    }
    for daemon in daemons {
        daemon.stop();
    }
    let logs = quiet_files(&place.path("logs"));
    assert!(logs > 5, "{logs} files of logs");
    let tools = place.log("tools.log").text + &place.log("tools_default.log").text;
    assert_quiet("tools.log", &tools);
}

/// Pages as an administrator, with the account that the dashboard signs with.
fn dashboard(cluster: &Guarded) {
    let port = cluster.dashboard;
    let login = |password: &str| {
        let body = format!("username=admin&password={password}");
        cluster.page(port, "POST /login/login.do", "", &body)
    };
    assert_quiet("a refused login", &login("hush-that-is-wrong"));
    let answer = login("hush-of-dashboard");
    assert_quiet("a login", &answer);
    let session = answer.split("JSESSIONID=").nth(1).and_then(|rest| rest.split(';').next());
    let cookie =
        format!("JSESSIONID={}", session.unwrap_or_else(|| panic!("no session: {answer}")));
    let accounts = cluster.page(port, "GET /api/v1/acl", &cookie, "");
    assert!(accounts.contains("shop-account"), "{accounts}");
    for path in [
        "/api/v1/acl",
        "/api/v1/overview",
        "/api/v1/brokers",
        "/api/v1/cluster",
        "/api/v1/audit",
        "/api/v1/settings",
        "/cluster/list.query",
        "/ops/homePage.query",
        "/login/check.query",
    ] {
        let page = cluster.page(port, &format!("GET {path}"), &cookie, "");
        assert_quiet(path, &page);
    }
    let address = cluster.place.broker_address();
    let config = format!("GET /cluster/brokerConfig.query?brokerAddr={address}");
    assert_quiet("brokerConfig.query", &cluster.page(port, &config, &cookie, ""));
    assert_quiet(
        "audit.log",
        &std::fs::read_to_string(cluster.place.path("data/audit.log")).unwrap(),
    );
}
