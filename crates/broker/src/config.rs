//! Settings of the broker (contract `broker.md` 2). Those of ports and store stand beside it in
//! their own crates; one file sets them all.

use rocketmq_common::{config_table, home, host};

config_table! {
    /// Settings of the broker.
    pub struct BrokerConfig {
        /// Where the distribution lies.
        rocketmq_home: Option<String> = "rocketmqHome", home::rocketmq_home(), shown("ROCKETMQ_HOME");
        /// Name servers, `host:port;host:port`.
        namesrv_addr: Option<String> = "namesrvAddr", namesrv_from_env(), shown("NAMESRV_ADDR"), important, reloadable;
        /// Address that clients are told.
        broker_ip1: String = "brokerIP1", address(), shown("ROCKETMQ_BROKER_ADDRESS, else the local address"), important;
        /// Address that slaves are told.
        broker_ip2: String = "brokerIP2", address(), shown("ROCKETMQ_BROKER_ADDRESS, else the local address");
        /// Name of the broker; master and slaves share it.
        broker_name: String = "brokerName", host::local_host_name(), shown("local host name"), important;
        /// Cluster the broker belongs to.
        broker_cluster_name: String = "brokerClusterName", "DefaultCluster", important;
        /// 0 for a master, above for slaves.
        broker_id: i64 = "brokerId", 0, important;
        /// What is allowed on the whole broker: read 4 + write 2.
        broker_permission: i32 = "brokerPermission", 6, reloadable;
        /// Queues of the topic that auto-created ones inherit from.
        default_topic_queue_nums: i32 = "defaultTopicQueueNums", 8;
        /// Creates topics when messages are sent to them.
        auto_create_topic_enable: bool = "autoCreateTopicEnable", true, important, reloadable;
        /// Gives the topic named like the cluster its 16 queues.
        cluster_topic_enable: bool = "clusterTopicEnable", true;
        /// Gives the topic named like the broker its permissions.
        broker_topic_enable: bool = "brokerTopicEnable", true;
        /// Creates consumer groups when they are used.
        auto_create_subscription_group: bool = "autoCreateSubscriptionGroup", true, important, reloadable;
        /// Java classes wrapped round the store; nothing can be plugged in here.
        message_store_plug_in: String = "messageStorePlugIn", "";
        /// Topic of message traces.
        msg_trace_topic_name: String = "msgTraceTopicName", "RMQ_SYS_TRACE_TOPIC", important;
        /// Creates the topic of message traces.
        trace_topic_enable: bool = "traceTopicEnable", false, important;
        /// Accepted for Java's sake: requests are handled on the connections' tasks.
        send_message_thread_pool_nums: i32 = "sendMessageThreadPoolNums", processors().min(4), shown("min(C, 4)");
        /// Accepted for Java's sake.
        pull_message_thread_pool_nums: i32 = "pullMessageThreadPoolNums", 16 + 2 * processors(), shown("16 + 2C");
        /// Accepted for Java's sake.
        process_reply_message_thread_pool_nums: i32 = "processReplyMessageThreadPoolNums", 16 + 2 * processors(), shown("16 + 2C");
        /// Accepted for Java's sake.
        query_message_thread_pool_nums: i32 = "queryMessageThreadPoolNums", 8 + processors(), shown("8 + C");
        /// Accepted for Java's sake.
        admin_broker_thread_pool_nums: i32 = "adminBrokerThreadPoolNums", 16;
        /// Accepted for Java's sake.
        client_manage_thread_pool_nums: i32 = "clientManageThreadPoolNums", 32;
        /// Accepted for Java's sake.
        consumer_manage_thread_pool_nums: i32 = "consumerManageThreadPoolNums", 32;
        /// Accepted for Java's sake.
        heartbeat_thread_pool_nums: i32 = "heartbeatThreadPoolNums", processors().min(32), shown("min(32, C)");
        /// Accepted for Java's sake.
        end_transaction_thread_pool_nums: i32 = "endTransactionThreadPoolNums", (8 + 2 * processors()).max(4 * processors().min(4)), shown("max(8 + 2C, 4 * min(C, 4))");
        /// Ms between writes of the consumer offsets.
        flush_consumer_offset_interval: i32 = "flushConsumerOffsetInterval", 5000;
        /// Unused, as in Java.
        flush_consumer_offset_history_interval: i32 = "flushConsumerOffsetHistoryInterval", 60000;
        /// Refuses transactional messages.
        reject_transaction_message: bool = "rejectTransactionMessage", false, important, reloadable;
        /// Asks the address server for name servers when none is set.
        fetch_namesrv_addr_by_address_server: bool = "fetchNamesrvAddrByAddressServer", false, important;
        /// Shown as the queue's capacity; requests do not queue here.
        send_thread_pool_queue_capacity: i32 = "sendThreadPoolQueueCapacity", 10000;
        /// Shown as the queue's capacity.
        pull_thread_pool_queue_capacity: i32 = "pullThreadPoolQueueCapacity", 100000;
        /// Accepted for Java's sake.
        reply_thread_pool_queue_capacity: i32 = "replyThreadPoolQueueCapacity", 10000;
        /// Shown as the queue's capacity.
        query_thread_pool_queue_capacity: i32 = "queryThreadPoolQueueCapacity", 20000;
        /// Accepted for Java's sake.
        client_manager_thread_pool_queue_capacity: i32 = "clientManagerThreadPoolQueueCapacity", 1000000;
        /// Accepted for Java's sake.
        consumer_manager_thread_pool_queue_capacity: i32 = "consumerManagerThreadPoolQueueCapacity", 1000000;
        /// Accepted for Java's sake.
        heartbeat_thread_pool_queue_capacity: i32 = "heartbeatThreadPoolQueueCapacity", 50000;
        /// Shown as the queue's capacity.
        end_transaction_pool_queue_capacity: i32 = "endTransactionPoolQueueCapacity", 100000;
        /// Filter servers are gone; any number starts none.
        filter_server_nums: i32 = "filterServerNums", 0;
        /// Lets pulls wait for messages.
        long_polling_enable: bool = "longPollingEnable", true, reloadable;
        /// How long a pull waits when long polling is off, ms.
        short_polling_time_mills: i64 = "shortPollingTimeMills", 1000, reloadable;
        /// Tells the members of a group when one comes or goes.
        notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable", true, reloadable;
        /// Unused, as in Java.
        high_speed_mode: bool = "highSpeedMode", false;
        /// Accepted for Java's sake.
        commercial_enable: bool = "commercialEnable", true;
        /// Accepted for Java's sake.
        commercial_timer_count: i32 = "commercialTimerCount", 1;
        /// Accepted for Java's sake.
        commercial_trans_count: i32 = "commercialTransCount", 1;
        /// Accepted for Java's sake.
        commercial_big_count: i32 = "commercialBigCount", 1;
        /// Accepted for Java's sake.
        commercial_base_count: i32 = "commercialBaseCount", 1;
        /// Accepted for Java's sake; messages are always sent from the mapped files.
        transfer_msg_by_heap: bool = "transferMsgByHeap", true;
        /// Unused, as in Java.
        max_delay_time: i32 = "maxDelayTime", 40;
        /// Region that answers to sends name.
        region_id: String = "regionId", "DefaultRegion", reloadable;
        /// How long a registration may take, ms.
        register_broker_timeout_mills: i32 = "registerBrokerTimeoutMills", 6000, reloadable;
        /// Sends slow consumers to the slaves.
        slave_read_enable: bool = "slaveReadEnable", false, reloadable;
        /// Disables groups that fall too far behind.
        disable_consume_if_consumer_read_slowly: bool = "disableConsumeIfConsumerReadSlowly", false, reloadable;
        /// How far that is, bytes.
        consumer_fallbehind_threshold: i64 = "consumerFallbehindThreshold", 17179869184, reloadable;
        /// Refuses requests while the store is stuck.
        broker_fast_failure_enable: bool = "brokerFastFailureEnable", true, reloadable;
        /// Accepted for Java's sake: requests do not queue here.
        wait_time_mills_in_send_queue: i64 = "waitTimeMillsInSendQueue", 200;
        /// Accepted for Java's sake.
        wait_time_mills_in_pull_queue: i64 = "waitTimeMillsInPullQueue", 5000;
        /// Accepted for Java's sake.
        wait_time_mills_in_heartbeat_queue: i64 = "waitTimeMillsInHeartbeatQueue", 31000;
        /// Accepted for Java's sake.
        wait_time_mills_in_transaction_queue: i64 = "waitTimeMillsInTransactionQueue", 3000;
        /// Refuses sends before this time, epoch ms.
        start_accept_send_request_time_stamp: i64 = "startAcceptSendRequestTimeStamp", 0, reloadable;
        /// Tells producers whether to trace.
        trace_on: bool = "traceOn", true, reloadable;
        /// Computes filter bit maps at dispatch.
        enable_calc_filter_bit_map: bool = "enableCalcFilterBitMap", false;
        /// Consumers that a filter bit map is sized for.
        expect_consumer_num_use_filter: i32 = "expectConsumerNumUseFilter", 32;
        /// Error rate of filter bit maps, percent.
        max_error_rate_of_bloom_filter: i32 = "maxErrorRateOfBloomFilter", 20;
        /// Ms after which filter data of a dead group is dropped.
        filter_data_clean_time_span: i64 = "filterDataCleanTimeSpan", 86400000, reloadable;
        /// Filters retry topics by the original subscription.
        filter_support_retry: bool = "filterSupportRetry", false, reloadable;
        /// Allows SQL92 subscriptions.
        enable_property_filter: bool = "enablePropertyFilter", false, reloadable;
        /// Compresses registrations.
        compressed_register: bool = "compressedRegister", false, reloadable;
        /// Registers without asking whether anything changed.
        force_register: bool = "forceRegister", true, reloadable;
        /// Ms between registrations, 10000 to 60000.
        register_name_server_period: i32 = "registerNameServerPeriod", 30000, reloadable;
        /// Age at which a half message is checked first, ms.
        transaction_time_out: i64 = "transactionTimeOut", 6000, important, reloadable;
        /// Checks before a half message is given up.
        transaction_check_max: i32 = "transactionCheckMax", 15, important, reloadable;
        /// Ms between checks.
        transaction_check_interval: i64 = "transactionCheckInterval", 60000, important, reloadable;
        /// Checks access keys and permissions.
        acl_enable: bool = "aclEnable", false, important;
        /// Stores replies beside pushing them.
        store_reply_message_enable: bool = "storeReplyMessageEnable", true, reloadable;
        /// Lets a slave with an empty store copy the whole commit log of its master, not only the
        /// last segment; ours, between our own nodes.
        ha_full_sync: bool = "haFullSync", false;
        /// Drops statistics of deleted topics and groups.
        auto_delete_unused_stats: bool = "autoDeleteUnusedStats", false, reloadable;
        /// Port of the dashboard that this process serves; 0: none.
        dashboard_port: i32 = "dashboardPort", 0;
        /// Own key: pods `<x>-master-<n>` and `<x>-slave-<n>` get the brokerName `<x>-<n>`.
        broker_name_from_pod: bool = "brokerNameFromPod", name_from_pod_env(), shown("ROCKETMQ_BROKER_NAME_FROM_POD, else false");
        /// Own key: ms after which a slave without a master of its name warns.
        slave_without_master_warn_time: i64 = "slaveWithoutMasterWarnTime", 60000, reloadable;
    }
}

fn processors() -> i32 {
    host::processors() as i32
}

/// A container knows its lasting name only by its environment.
fn address() -> String {
    let named = std::env::var("ROCKETMQ_BROKER_ADDRESS").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(host::local_address)
}

fn name_from_pod_env() -> bool {
    std::env::var("ROCKETMQ_BROKER_NAME_FROM_POD").is_ok_and(|value| value.trim() == "true")
}

fn namesrv_from_env() -> Option<String> {
    std::env::var("NAMESRV_ADDR").ok().filter(|list| !list.is_empty())
}
