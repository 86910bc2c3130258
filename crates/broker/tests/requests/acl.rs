//! Access control: what is checked and in which order, and codes 50 to 54 (contract `broker.md` 25).

use rocketmq_acl::Credentials;
use rocketmq_protocol::RequestCode;
use rocketmq_protocol::body::{AclConfig, DataVersion};

use crate::support::{Fixture, Outgoing, Peer, Pull, fields_of, message, parsed, pull, said};

const EXCEPTION: &str = "org.apache.rocketmq.acl.common.AclException: ";

const RULES: &str = "\
# whoever may do everything
accounts:
  - accessKey: administrator
    secretKey: secret-of-admin
    admin: true
  # the shop
  - accessKey: shop-account
    secretKey: secret-of-shop # keep it
    defaultTopicPerm: DENY
    defaultGroupPerm: SUB
    topicPerms:
      - orders=PUB|SUB
      - prices=SUB
    groupPerms:
      - closed=DENY
";

async fn guarded(rules: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain_acl.yml"), rules).unwrap();
    Fixture::inside(folder, |settings| settings.broker.acl_enable = true).await
}

impl Fixture {
    fn signed(&self, access_key: &str, secret_key: &str) -> Peer {
        Peer::signing(self.broker.local().unwrap(), Credentials::new(access_key, secret_key))
    }

    fn admin(&self) -> Peer {
        self.signed("administrator", "secret-of-admin")
    }

    fn shop(&self) -> Peer {
        self.signed("shop-account", "secret-of-shop")
    }

    fn rules(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("plain_acl.yml")).unwrap()
    }
}

/// The denial's text behind the exception's name; `None` if there was none.
async fn denied(peer: &Peer, code: RequestCode, fields: &[(&str, &str)]) -> Option<String> {
    let (code, text) = said(&peer.ask(code, fields).await);
    let text = text.strip_prefix(EXCEPTION)?;
    assert_eq!(code, 1);
    Some(text.to_string())
}

async fn create_topic(admin: &Peer, topic: &str) {
    let fields = [
        ("topic", topic),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "1"),
        ("writeQueueNums", "1"),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
    ];
    let answer = admin.ask(RequestCode::UPDATE_AND_CREATE_TOPIC, &fields).await;
    assert_eq!(answer.code, 0, "{:?}", answer.remark());
}

#[tokio::test]
async fn requests_need_an_account_and_its_signature() {
    let broker = guarded(RULES).await;
    let code = RequestCode::GET_BROKER_RUNTIME_INFO;
    for (peer, begin) in [
        (broker.another_peer(), "No accessKey is configured"),
        (broker.vip_peer(), "No accessKey is configured"),
        (broker.signed("nobody-here", "secret-of-shop"), "No acl config for nobody-here"),
        (
            broker.signed("shop-account", "secret-of-sh0p"),
            "Check signature failed for accessKey=shop-account",
        ),
    ] {
        let text = denied(&peer, code, &[]).await.unwrap();
        assert!(text.starts_with(begin), "{text}");
        assert!(!text.contains("secret-of"), "{text}");
    }
    assert_eq!(denied(&broker.shop(), code, &[]).await, None);
    // A signature is good for what was signed.
    let fields = [("AccessKey", "shop-account"), ("Signature", "beQgVA0KNM4WtCe68fj2DEn3WWU=")];
    let text = denied(&broker.peer, code, &fields).await.unwrap();
    assert!(text.starts_with("Check signature failed"), "{text}");
    // Two fields of one name could be taken for one another.
    let twice = [("topic", "orders"), ("topic", "prices")];
    let text = denied(&broker.shop(), RequestCode::QUERY_MESSAGE, &twice).await.unwrap();
    assert!(text.contains("the field topic was sent twice"), "{text}");
    broker.stop().await;
}

#[tokio::test]
async fn white_lists_need_no_signature() {
    let broker = guarded("globalWhiteRemoteAddresses: [127.0.0.*]").await;
    assert_eq!(denied(&broker.peer, RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await, None);
    create_topic(&broker.peer, "T").await;
    broker.stop().await;
    let rules =
        RULES.replace("secret-of-shop # keep it", "12345678\n    whiteRemoteAddress: 127.0.0.1");
    let broker = guarded(&rules).await;
    // Of that account, whatever the signature.
    let peer = broker.signed("shop-account", "wrong");
    assert_eq!(denied(&peer, RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await, None);
    assert!(denied(&broker.peer, RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await.is_some());
    broker.stop().await;
}

#[tokio::test]
async fn administration_is_for_administrators() {
    let broker = guarded(RULES).await;
    for code in [17, 25, 215, 200, 207, 50, 51, 53, 54] {
        let text = denied(&broker.shop(), RequestCode(code), &[]).await.unwrap();
        let begin = format!(
            "Need admin permission for request code={code}, but accessKey=shop-account is not"
        );
        assert!(text.starts_with(&begin), "{text}");
    }
    create_topic(&broker.admin(), "anything").await;
    assert_eq!(denied(&broker.admin(), RequestCode::UPDATE_BROKER_CONFIG, &[]).await, None);
    broker.stop().await;
}

#[tokio::test]
async fn sending_needs_pub() {
    let broker = guarded(RULES).await;
    for topic in ["orders", "prices", "other", "%RETRY%g"] {
        create_topic(&broker.admin(), topic).await;
    }
    let shop = broker.shop();
    assert_eq!(shop.send(&message("orders", "0")).await.code, 0);
    for (topic, begin) in [
        (
            "prices",
            "No default permission for topic:prices; the request needs PUB and accessKey=shop-account has SUB by topicPerms",
        ),
        (
            "other",
            "No default permission for topic:other; the request needs PUB and accessKey=shop-account has DENY by defaultTopicPerm",
        ),
        (
            "%RETRY%g",
            "No default permission for group:g; the request needs PUB and accessKey=shop-account has SUB by defaultGroupPerm",
        ),
    ] {
        // Unlike in 4.9.2, a batch is no way round.
        for batch in [false, true] {
            let (code, text) = said(&shop.send(&Outgoing { batch, ..message(topic, "0") }).await);
            assert_eq!(code, 1);
            assert!(text.strip_prefix(EXCEPTION).unwrap().starts_with(begin), "{text}");
        }
        let fields = [("topic", topic)];
        let text = denied(&shop, RequestCode::SEND_MESSAGE, &fields).await.unwrap();
        assert!(text.starts_with(begin), "{text}");
    }
    assert_eq!(broker.admin().send(&message("other", "0")).await.code, 0);
    broker.stop().await;
}

#[tokio::test]
async fn consuming_needs_sub_of_topic_and_group() {
    let broker = guarded(RULES).await;
    create_topic(&broker.admin(), "prices").await;
    let shop = broker.shop();
    assert_eq!(shop.pull(&pull("prices", "0", "0")).await.code, 19);
    for code in [RequestCode::PULL_MESSAGE, RequestCode::LITE_PULL_MESSAGE] {
        let of_topic = pull("other", "0", "0");
        let of_group = Pull { group: "closed", ..pull("prices", "0", "0") };
        for (pull, begin) in [
            (of_topic, "No default permission for topic:other; the request needs SUB"),
            (of_group, "No default permission for group:closed; the request needs SUB"),
        ] {
            let text = denied(&shop, code, &pull.fields()).await.unwrap();
            assert!(text.starts_with(begin), "{text}");
        }
    }
    for (code, fields, begin) in [
        (
            RequestCode::UPDATE_CONSUMER_OFFSET,
            &[("consumerGroup", "closed"), ("topic", "prices")][..],
            "No default permission for group:closed",
        ),
        (
            RequestCode::QUERY_MESSAGE,
            &[("topic", "other")],
            "No default permission for topic:other",
        ),
        (
            RequestCode::GET_CONSUMER_LIST_BY_GROUP,
            &[("consumerGroup", "closed")],
            "No default permission for group:closed",
        ),
        (
            RequestCode::UNREGISTER_CLIENT,
            &[("clientID", "c"), ("consumerGroup", "closed")],
            "No default permission for group:closed",
        ),
        (
            RequestCode::CONSUMER_SEND_MSG_BACK,
            &[("group", "g"), ("originTopic", "prices")],
            "No default permission for topic:prices; the request needs PUB",
        ),
    ] {
        let text = denied(&shop, code, fields).await.unwrap();
        assert!(text.starts_with(begin), "{text}");
    }
    // A producer leaves without naming a group.
    assert_eq!(denied(&shop, RequestCode::UNREGISTER_CLIENT, &[("clientID", "c")]).await, None);
    let beat = |topic: &str| {
        format!(
            r#"{{"clientID":"c","consumerDataSet":[{{"groupName":"g","subscriptionDataSet":[{{"topic":"{topic}","subString":"*"}}]}}]}}"#
        )
        .into_bytes()
    };
    let code = RequestCode::HEART_BEAT;
    assert_eq!(shop.ask_with(code, &[], beat("prices")).await.code, 0);
    let (_, text) = said(&shop.ask_with(code, &[], beat("other")).await);
    assert!(text.contains("No default permission for topic:other"), "{text}");
    let (_, text) = said(&shop.ask_with(code, &[], b"{".to_vec()).await);
    assert!(text.starts_with(EXCEPTION), "{text}");
    broker.stop().await;
}

#[tokio::test]
async fn a_changed_file_counts_at_once_and_a_broken_one_not_at_all() {
    let broker = guarded(RULES).await;
    create_topic(&broker.admin(), "prices").await;
    let path = broker.folder.path().join("plain_acl.yml");
    let shop = broker.shop();
    std::fs::write(&path, RULES.replace("prices=SUB", "prices=PUB")).unwrap();
    let mut tries = 0;
    while shop.send(&message("prices", "0")).await.code != 0 {
        tries += 1;
        assert!(tries < 3000, "the changed file is not used");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let acl = broker.context().acl.as_ref().unwrap();
    std::fs::write(&path, "accounts: [").unwrap();
    acl.reload_if_changed();
    assert_eq!(shop.send(&message("prices", "0")).await.code, 0);
    std::fs::remove_file(&path).unwrap();
    acl.reload_if_changed();
    assert_eq!(shop.send(&message("prices", "0")).await.code, 0);
    std::fs::write(&path, RULES).unwrap();
    acl.reload_if_changed();
    assert_eq!(shop.send(&message("prices", "0")).await.code, 1);
    broker.stop().await;
}

#[tokio::test]
async fn accounts_are_changed_by_requests() {
    let broker = guarded(RULES).await;
    let admin = broker.admin();
    let account = [
        ("accessKey", "newcomer"),
        ("secretKey", "secret-of-newcomer"),
        ("admin", "false"),
        ("topicPerms", "orders=SUB,prices=PUB"),
        ("defaultGroupPerm", "SUB"),
    ];
    let update = RequestCode::UPDATE_AND_CREATE_ACL_CONFIG;
    let answer = admin.ask(update, &account).await;
    assert_eq!(said(&answer), (0, String::new()));
    let newcomer = broker.signed("newcomer", "secret-of-newcomer");
    create_topic(&admin, "prices").await;
    assert_eq!(newcomer.send(&message("prices", "0")).await.code, 0);
    assert!(broker.rules().starts_with(RULES), "comments and order stay:\n{}", broker.rules());

    let config: AclConfig =
        parsed(&admin.ask(RequestCode::GET_BROKER_CLUSTER_ACL_CONFIG, &[]).await);
    let keys: Vec<_> =
        config.plain_access_configs.iter().flat_map(|c| c.access_key.clone()).collect();
    assert_eq!(keys, ["administrator", "shop-account", "newcomer"]);
    let fields = fields_of(&newcomer.ask(RequestCode::GET_BROKER_CLUSTER_ACL_INFO, &[]).await);
    let version: DataVersion =
        rocketmq_common::fastjson::from_slice(fields["version"].as_bytes()).unwrap();
    assert_eq!((version.counter, &*fields["brokerName"]), (1, "broker-a"));
    assert_eq!(fields["clusterName"], "DefaultCluster");
    assert_eq!(fields["brokerAddr"], broker.broker.local().unwrap().to_string());

    for (change, begin) in [
        (
            ("secretKey", "short"),
            "The accessKey=newcomer and secretKey=*** cannot be null and length should longer than 6",
        ),
        (
            ("topicPerms", "orders"),
            "Parse Resource format error for orders.\nThe expected resource format is 'Res=Perm'. For example: topicA=SUB",
        ),
        (
            ("topicPerms", "orders=ALL"),
            "Parse resource permission error for orders=ALL.\nThe expected permissions are 'SUB' or 'PUB' or 'SUB|PUB' or 'PUB|SUB'.",
        ),
        (("whiteRemoteAddress", "1.2.3"), "Netaddress examine Exception netaddress is 1.2.3"),
    ] {
        let wrong: Vec<_> =
            account.into_iter().filter(|(key, _)| *key != change.0).chain([change]).collect();
        let (code, text) = said(&admin.ask(update, &wrong).await);
        assert_eq!(code, 209);
        assert!(text.starts_with(begin), "{text}");
        assert!(!text.contains("secret-of"), "{text}");
    }

    let delete = RequestCode::DELETE_ACL_CONFIG;
    assert_eq!(admin.ask(delete, &[("accessKey", "newcomer")]).await.code, 0);
    let (code, text) = said(&admin.ask(delete, &[("accessKey", "newcomer")]).await);
    let begin = "The accesskey[newcomer] corresponding to accessConfig has been deleted failed.";
    assert_eq!(code, 210);
    assert!(text.starts_with(begin), "{text}");
    assert!(denied(&newcomer, RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await.is_some());

    let white = RequestCode::UPDATE_GLOBAL_WHITE_ADDRS_CONFIG;
    let (code, text) = said(&admin.ask(white, &[("globalWhiteAddrs", "10.0.0.*,x")]).await);
    assert_eq!((code, &*text), (211, "Netaddress examine Exception netaddress is x"));
    assert_eq!(admin.ask(white, &[("globalWhiteAddrs", "10.0.0.*,127.0.0.1")]).await.code, 0);
    assert_eq!(denied(&newcomer, RequestCode::GET_BROKER_RUNTIME_INFO, &[]).await, None);
    let rules = broker.rules();
    for comment in ["# whoever may do everything", "# the shop", "# keep it"] {
        assert!(rules.contains(comment), "{rules}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn without_access_control_its_requests_say_so() {
    let broker = Fixture::start().await;
    for (request, fields, code) in [
        (50, &[("accessKey", "newcomer")][..], 209),
        (51, &[("accessKey", "newcomer")], 210),
        (53, &[("globalWhiteAddrs", "*")], 211),
        (52, &[], 1),
        (54, &[], 1),
    ] {
        let (refused, text) = said(&broker.peer.ask(RequestCode(request), fields).await);
        assert_eq!(refused, code);
        assert!(text.contains("aclEnable=true"), "{text}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn without_rules_the_broker_does_not_start() {
    for (rules, found) in [
        (None, "plain_acl.yml file is not data"),
        (Some("# nothing\n"), "plain_acl.yml file is not data"),
        (Some("accounts:\n- accessKey: abc"), "line 2, column 3"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain_acl.yml");
        if let Some(rules) = rules {
            std::fs::write(&path, rules).unwrap();
        }
        let mut settings = rocketmq_broker::cli::default_settings();
        settings.broker.acl_enable = true;
        settings.broker.broker_ip1 = "127.0.0.1".to_string();
        settings.store.store_path_root_dir = folder.path().join("s").to_string_lossy().into_owned();
        let start = rocketmq_broker::BrokerSettings {
            settings,
            listen: Some("127.0.0.1:0".parse().unwrap()),
            acl_file: Some(path),
            ..rocketmq_broker::BrokerSettings::default()
        };
        let Err(error) = rocketmq_broker::Broker::start(start).await else {
            panic!("started without rules");
        };
        assert!(error.to_string().contains(found), "{error}");
    }
}
