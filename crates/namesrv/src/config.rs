//! Settings of the name server (contract `namesrv.md` 1.1).

use rocketmq_common::{config_table, home};

config_table! {
    /// Settings of the name server.
    pub struct NamesrvConfig {
        /// Where the distribution lies.
        rocketmq_home: Option<String> = "rocketmqHome", home::rocketmq_home(), shown("ROCKETMQ_HOME");
        /// File of the key-value table.
        kv_config_path: String = "kvConfigPath", in_user_home("kvConfig.json"), shown("${user.home}/namesrv/kvConfig.json");
        /// File that a configuration change is written to; the `-c` file if one was given.
        config_store_path: String = "configStorePath", in_user_home("namesrv.properties"), shown("${user.home}/namesrv/namesrv.properties");
        /// Environment asked for unknown topics when clusterTest is on; accepted for Java's sake.
        product_env_name: String = "productEnvName", "center";
        /// Attaches the order configuration to every route.
        cluster_test: bool = "clusterTest", false, reloadable;
        /// Attaches the order configuration to routes.
        order_message_enable: bool = "orderMessageEnable", false, reloadable;
    }
}

fn in_user_home(file: &str) -> String {
    home::user_home().join("namesrv").join(file).to_string_lossy().into_owned()
}
