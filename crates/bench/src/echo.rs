//! The floor: a name server and broker in one that knows every topic, answers every send as stored
//! and stores nothing. One blocking thread for each connection, one read and one write for all
//! frames at hand; what it costs is what the frames, the system calls and the loopback cost.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use rocketmq_common::fastjson;
use rocketmq_protocol::body::{BrokerData, ClusterInfo, QueueData, TopicRouteData};
use rocketmq_protocol::frame::{FLAG_RESPONSE, FRAME_BYTES_MAX, FrameHead, encode_head};
use rocketmq_protocol::header::SendMessageResponseHeader;
use rocketmq_protocol::{
    Frame, HeaderFields, Language, NoFields, RequestCode, ResponseCode, SerializeType,
};

/// Serves until it is killed. `-c FILE` names a broker's configuration, of which `listenPort`
/// counts.
pub(crate) fn serve(words: &[String]) -> Result<()> {
    let file =
        words.iter().skip_while(|word| *word != "-c").nth(1).context("-c FILE is missing")?;
    let text = std::fs::read_to_string(file)?;
    let port = text.lines().find_map(|line| line.strip_prefix("listenPort="));
    let port: u16 = port.context("listenPort is missing")?.trim().parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("The floor boot success.");
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || connection(stream, port));
    }
    Ok(())
}

fn connection(mut stream: TcpStream, port: u16) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BytesMut::with_capacity(256 * 1024);
    let mut chunk = vec![0; 256 * 1024];
    let mut output = BytesMut::new();
    let mut offset = 0;
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        input.extend_from_slice(&chunk[..read]);
        while let Some(frame) = Frame::take(&mut input, FRAME_BYTES_MAX)? {
            if !frame.is_oneway() {
                answer(&frame, port, &mut offset, &mut output)?;
            }
        }
        stream.write_all(&output)?;
        output.clear();
    }
}

fn answer(frame: &Frame, port: u16, offset: &mut i64, output: &mut BytesMut) -> Result<()> {
    let address = format!("127.0.0.1:{port}");
    let name = "floor".to_string();
    let broker = BrokerData {
        broker_addrs: [(0, address)].into(),
        broker_name: name.clone(),
        cluster: name.clone(),
    };
    let body = match RequestCode(frame.code) {
        RequestCode::SEND_MESSAGE
        | RequestCode::SEND_MESSAGE_V2
        | RequestCode::SEND_BATCH_MESSAGE => {
            *offset += 1;
            let header = SendMessageResponseHeader {
                msg_id: "7F00000100002A9F0000000000000000".into(),
                queue_id: 0,
                queue_offset: *offset,
                transaction_id: None,
            };
            return write(frame, &header, &[], output);
        }
        RequestCode::GET_ROUTEINFO_BY_TOPIC => {
            let queues = QueueData {
                broker_name: name,
                perm: 7,
                read_queue_nums: 4,
                topic_sys_flag: 0,
                write_queue_nums: 4,
            };
            let route = TopicRouteData {
                queue_datas: vec![queues],
                broker_datas: vec![broker],
                ..TopicRouteData::default()
            };
            fastjson::to_vec(&route)?
        }
        RequestCode::GET_BROKER_CLUSTER_INFO => {
            let info = ClusterInfo {
                broker_addr_table: [(name.clone(), broker)].into_iter().collect(),
                cluster_addr_table: [(name.clone(), [name].into_iter().collect())]
                    .into_iter()
                    .collect(),
            };
            fastjson::to_vec(&info)?
        }
        RequestCode::HEART_BEAT
        | RequestCode::UNREGISTER_CLIENT
        | RequestCode::UPDATE_AND_CREATE_TOPIC => Vec::new(),
        code => bail!("the floor does not serve {code:?}"),
    };
    write(frame, &NoFields, &body, output)
}

fn write(
    frame: &Frame,
    fields: &dyn HeaderFields,
    body: &[u8],
    output: &mut BytesMut,
) -> Result<()> {
    let head = FrameHead {
        code: ResponseCode::SUCCESS.0,
        flag: FLAG_RESPONSE,
        language: Language::JAVA,
        opaque: frame.opaque,
        remark: None,
    };
    encode_head(output, SerializeType::Json, &head, Some(fields), body.len())?;
    output.extend_from_slice(body);
    Ok(())
}
