//! Accounts, secrets and rights that do not fit.

use crate::place::{Place, row};

pub(crate) const RULES: &str = "\
accounts:
- accessKey: administrator
  secretKey: secret-of-admin
  admin: true
- accessKey: shop-account
  secretKey: secret-of-shop
  defaultTopicPerm: DENY
  topicPerms:
  - orders=PUB|SUB
  - prices=SUB
";

impl Place {
    /// From now on mqadmin signs as that account.
    pub(crate) fn sign_as(&self, access_key: &str, secret_key: &str) {
        let text = format!("accessKey: {access_key}\nsecretKey: {secret_key}\n");
        self.write("conf/tools.yml", &text);
    }
}

#[test]
fn wrong_secrets_and_missing_rights_name_account_rule_and_right() {
    let place = Place::new("mistakes-acl");
    place.write("conf/plain_acl.yml", RULES);
    let _namesrv = place.start_namesrv("");
    let _broker = place.start_broker("aclEnable=true");
    let address = place.broker_address();
    let status = || place.mqadmin(&["brokerStatus", "-b", &address], "");
    let create = |topic| place.mqadmin(&["updateTopic", "-b", &address, "-t", topic], "");
    row("no account").prints(&status(), 0).doctor(&place.doctor(&[]), 2);
    place.sign_as("shop-account", "secret-of-another");
    row("wrong secret").prints(&status(), 0).doctor(&place.doctor(&[]), 2);
    place.sign_as("shop-account", "secret-of-shop");
    row("not an administrator").prints(&create("prices"), 0).doctor(&place.doctor(&[]), 2);
    place.sign_as("administrator", "secret-of-admin");
    let created = create("prices");
    assert!(created.text.contains("success"), "{}", created.text);
    place.sign_as("shop-account", "secret-of-shop");
    let denied = place.mqadmin(&["sendMessage", "-t", "prices", "-p", "x"], "");
    place.sign_as("administrator", "secret-of-admin");
    let doctor = place.doctor(&["-a", "shop-account", "-t", "prices"]);
    assert!(
        doctor.text.contains("shop-account may consume, topic prices: topicPerms: prices=SUB"),
        "{}",
        doctor.text
    );
    row("no permission").prints(&denied, 0).doctor(&doctor, 0);
    // Who may what.
    let doctor = place.doctor(&["-t", "prices"]).text;
    assert!(
        doctor.contains(
            "topic prices: may send: administrator; may consume: administrator, shop-account"
        ),
        "{doctor}"
    );
}
