//! Name servers by address server (`fetchNamesrvAddrByAddressServer`, contract `broker.md` 1, 5).

use rocketmq_remoting::AddressServer;

use crate::LOGGER;
use crate::context::{BrokerContext, Settings};

/// Keys of the configuration file alone; no table of settings has them.
pub(crate) const KEYS: [&str; 2] = ["rmqAddressServerDomain", "rmqAddressServerSubGroup"];

/// By `rmqAddressServerDomain` and `rmqAddressServerSubGroup` of the configuration file.
fn of(settings: &Settings) -> AddressServer {
    AddressServer::new(settings.extra.get(KEYS[0]), settings.extra.get(KEYS[1]))
}

/// Takes over the list that the address server names, if it can be had.
pub(crate) async fn update(context: &BrokerContext) {
    let server = of(&context.settings());
    match server.fetch().await {
        Ok(list) => {
            if context.outward.set_servers(Some(&list)) {
                tracing::info!(target: LOGGER, "name server address changed, new: {list}");
            }
        }
        Err(error) => {
            tracing::error!(target: LOGGER, "fetch name server address from {server} failed: {error}; set namesrvAddr, or rmqAddressServerDomain and rmqAddressServerSubGroup");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_file_says_where() {
        let mut settings = Settings::default();
        assert_eq!(of(&settings).to_string(), "http://jmenv.tbsite.net:8080/rocketmq/nsaddr");
        settings.extra.set("rmqAddressServerDomain", "10.0.0.1:99");
        settings.extra.set("rmqAddressServerSubGroup", "mine");
        assert_eq!(of(&settings).to_string(), "http://10.0.0.1:99/rocketmq/mine");
    }
}
