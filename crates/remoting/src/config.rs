//! Settings of Java's Netty server and client, under their Java names (contract `wire.md` 7.3,
//! `namesrv.md` 1.1, `broker.md` 3). Thread numbers are accepted and shown but mean nothing here:
//! connections are tasks, not threads.

use std::time::Duration;

use rocketmq_common::config_table;
use rocketmq_protocol::SerializeType;

use crate::client::ClientOptions;
use crate::server::ServerOptions;

config_table! {
    /// Settings of a listening port.
    pub struct NettyServerConfig {
        /// Port to listen on. The broker's second port is this minus 2, its HA port this plus 1.
        listen_port: i32 = "listenPort", 8888;
        /// Accepted for Java's sake; connections are served by the runtime's threads.
        server_worker_threads: i32 = "serverWorkerThreads", 8;
        /// Accepted for Java's sake.
        server_callback_executor_threads: i32 = "serverCallbackExecutorThreads", 0;
        /// Accepted for Java's sake.
        server_selector_threads: i32 = "serverSelectorThreads", 3;
        /// Oneway requests to peers under way at once.
        server_oneway_semaphore_value: i32 = "serverOnewaySemaphoreValue", 256;
        /// Asynchronous requests to peers under way at once.
        server_async_semaphore_value: i32 = "serverAsyncSemaphoreValue", 64;
        /// Seconds without a byte in either direction after which a connection is closed.
        server_channel_max_idle_time_seconds: i32 = "serverChannelMaxIdleTimeSeconds", 120;
        /// SO_SNDBUF of accepted connections, bytes.
        server_socket_snd_buf_size: i32 = "serverSocketSndBufSize", 65535;
        /// SO_RCVBUF of accepted connections, bytes.
        server_socket_rcv_buf_size: i32 = "serverSocketRcvBufSize", 65535;
        /// Accepted for Java's sake.
        server_pooled_byte_buf_allocator_enable: bool = "serverPooledByteBufAllocatorEnable", true;
        /// Accepted for Java's sake; Linux' epoll is always used.
        use_epoll_native_selector: bool = "useEpollNativeSelector", false;
    }
}

config_table! {
    /// Settings of outgoing connections.
    pub struct NettyClientConfig {
        /// Accepted for Java's sake.
        client_worker_threads: i32 = "clientWorkerThreads", 4;
        /// Accepted for Java's sake; tools read the number of processors from it.
        client_callback_executor_threads: i32 = "clientCallbackExecutorThreads", processors(), shown("number of processors");
        /// Oneway requests under way at once.
        client_oneway_semaphore_value: i32 = "clientOnewaySemaphoreValue", 65535;
        /// Asynchronous requests under way at once.
        client_async_semaphore_value: i32 = "clientAsyncSemaphoreValue", 65535;
        /// How long making a connection may take, ms.
        connect_timeout_millis: i32 = "connectTimeoutMillis", 3000;
        /// Unused, as in Java.
        channel_not_active_interval: i64 = "channelNotActiveInterval", 60000;
        /// Seconds without a byte in either direction after which a connection is closed.
        client_channel_max_idle_time_seconds: i32 = "clientChannelMaxIdleTimeSeconds", 120;
        /// SO_SNDBUF, bytes.
        client_socket_snd_buf_size: i32 = "clientSocketSndBufSize", 65535;
        /// SO_RCVBUF, bytes.
        client_socket_rcv_buf_size: i32 = "clientSocketRcvBufSize", 65535;
        /// Accepted for Java's sake.
        client_pooled_byte_buf_allocator_enable: bool = "clientPooledByteBufAllocatorEnable", false;
        /// Closes a connection on which a request timed out.
        client_close_socket_if_timeout: bool = "clientCloseSocketIfTimeout", true;
        /// Connects with TLS.
        use_tls: bool = "useTLS", false;
    }
}

fn processors() -> i32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as i32)
}

/// The serialisation of what this process sends: `ROCKETMQ_SERIALIZE_TYPE`, default JSON.
///
/// # Errors
/// The variable's value, when it names no type.
pub fn serialize_type_from_env() -> Result<SerializeType, String> {
    match std::env::var("ROCKETMQ_SERIALIZE_TYPE") {
        Ok(name) if !name.trim().is_empty() => SerializeType::from_name(&name).ok_or(name),
        _ => Ok(SerializeType::Json),
    }
}

fn seconds(value: i32) -> Duration {
    Duration::from_secs(value.max(1).unsigned_abs().into())
}

fn size(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

impl NettyServerConfig {
    /// What the server acts on.
    pub fn options(&self, serialize: SerializeType) -> ServerOptions {
        let mut options = ServerOptions { serialize, ..ServerOptions::default() };
        options.driver.idle_timeout = seconds(self.server_channel_max_idle_time_seconds);
        options.send_buffer_bytes = size(self.server_socket_snd_buf_size);
        options.receive_buffer_bytes = size(self.server_socket_rcv_buf_size);
        options
    }
}

impl NettyClientConfig {
    /// What the client acts on.
    pub fn options(&self, serialize: SerializeType) -> ClientOptions {
        let mut options = ClientOptions { serialize, ..ClientOptions::default() };
        options.driver.idle_timeout = seconds(self.client_channel_max_idle_time_seconds);
        let connect_ms = self.connect_timeout_millis.max(1).unsigned_abs();
        options.connect_timeout = Duration::from_millis(connect_ms.into());
        options.close_on_timeout = self.client_close_socket_if_timeout;
        options
    }
}
