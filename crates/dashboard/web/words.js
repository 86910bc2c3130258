// Every text of the page: key, English, Chinese. {0} is the first argument, {0:one|many} a word that goes with it.
const WORDS = {
  overview: ["Overview", "概览"], cluster: ["Cluster", "集群"], topics: ["Topics", "主题"], groups: ["Groups", "消费组"], producers: ["Producers", "生产者"], messages: ["Messages", "消息"],
  trace: ["Trace", "消息轨迹"], dlq: ["Dead letters", "死信"], history: ["History", "历史"], acl: ["Accounts", "权限"], ops: ["Operations", "运维"], audit: ["Audit", "审计"],
  pages: ["Pages", "页面"], menu: ["Menu", "菜单"], theme: ["Light or dark", "浅色或深色"], keys: ["Keys", "快捷键"], focusSearch: ["Search", "搜索"], nameServers: ["Name servers", "NameServer"],
  login: ["Log in", "登录"], logout: ["Log out", "退出"], loginText: ["Log in to see the cluster.", "请登录以查看集群。"], user: ["User", "用户"], password: ["Password", "密码"],
  firstStart: ["First start: the password of admin stands on the console of the dashboard.", "首次启动:admin 的密码已打印在控制台上。"],
  unknown: ["Not known", "未知"], close: ["Close", "关闭"], cancel: ["Cancel", "取消"], save: ["Save", "保存"], send: ["Send", "发送"], search: ["Search", "查询"], clear: ["Clear", "清空"], filter: ["Filter", "过滤"], remove: ["Remove", "移除"],
  delete: ["Delete", "删除"], edit: ["Edit", "编辑"], update: ["Update", "更新"], done: ["Done", "已完成"], loading: ["Loading …", "加载中……"], actions: ["Actions", "操作"], nothing: ["Nothing here", "没有数据"],
  typeToConfirm: ["Type {0} to confirm", "请输入 {0} 以确认"], selected: ["{0} of {1} selected", "已选 {0} / {1}"], selectAll: ["Select all", "全选"], export: ["Export {0}", "导出 {0}"], copied: ["Copied", "已复制"],
  error: ["error", "错误"], warning: ["warning", "警告"], info: ["note", "提示"], up: ["up", "正常"], down: ["down", "不可达"], master: ["master", "主"], slave: ["slave", "从"],
  seenAt: ["seen at {0}", "更新于 {0}"], wrongNow: ["What is wrong now", "当前问题"], nothingWrong: ["Nothing is wrong.", "一切正常。"], brokers: ["Brokers", "Broker"], broker: ["Broker", "Broker"], role: ["Role", "角色"], address: ["Address", "地址"], state: ["State", "状态"],
  inTps: ["In / s", "写入/秒"], outTps: ["Out / s", "消费/秒"], totalTps: ["Requests / s", "请求/秒"], inToday: ["In today", "今日写入"], outToday: ["Out today", "今日消费"], inYesterday: ["In yesterday", "昨日写入"], outYesterday: ["Out yesterday", "昨日消费"],
  in24h: ["In 24 h", "24 小时写入"], out24h: ["Out 24 h", "24 小时消费"], uptime: ["Up for", "运行时间"], disk: ["Disk", "磁盘"], version: ["Version", "版本"], topTopics: ["Topics with most messages", "消息最多的主题"], topGroups: ["Groups with most lag", "堆积最多的消费组"], brokerTrend: ["Brokers, last six hours", "Broker 近六小时"],
  lag: ["Lag", "堆积"], lagTime: ["Lag, time", "堆积时间"], lagOf: ["lag {0}", "堆积 {0}"], retry: ["Retry", "重试"],
  key: ["Key", "键"], value: ["Value", "值"], default: ["Default", "默认值"], status: ["Status", "状态"], config: ["Configuration", "配置"], onlyDiffering: ["Only what differs from the default", "只看与默认值不同的"], afterRestart: ["Takes effect after a restart", "重启后生效"],
  topic: ["Topic", "主题"], kind: ["Kind", "类型"], kind_normal: ["Normal", "普通"], kind_retry: ["Retry", "重试"], kind_dlq: ["DLQ", "死信"], kind_system: ["System", "系统"], queues: ["Queues", "队列"], queue: ["Queue", "队列"], lastMessage: ["Last message", "最近消息"],
  addTopic: ["New topic", "新增主题"], route: ["Route", "路由"], consumers: ["Consumers", "消费者"], sendMessage: ["Send message", "发送消息"], resetOffset: ["Reset offset", "重置消费位点"], skipAccumulate: ["Skip backlog", "跳过堆积"], deleteTopic: ["Delete topic", "删除主题"],
  deleteTopicText: ["{0} and all its messages will be gone, on every broker.", "{0} 及其全部消息将从所有 Broker 上删除。"], minOffset: ["Min offset", "最小位点"], maxOffset: ["Max offset", "最大位点"], readQueues: ["Read queues", "读队列数"], writeQueues: ["Write queues", "写队列数"], perm: ["Permission", "权限"],
  readWrite: ["read and write", "读写"], readOnly: ["read", "只读"], writeOnly: ["write", "只写"], noAccess: ["none", "无"], ordered: ["Ordered", "顺序"], where: ["Where", "位置"], noConsumers: ["No group has consumed this topic.", "没有消费组消费过该主题。"],
  brokerOffset: ["Broker offset", "代理者位点"], consumerOffset: ["Consumer offset", "消费者位点"], owner: ["Owner", "消费终端"], lastTime: ["Last time", "最后消费时间"], tag: ["Tag", "标签"], body: ["Body", "消息体"], traced: ["With trace", "启用轨迹"], msgId: ["Message id", "消息 ID"], offset: ["Offset", "位点"],
  goOnAt: ["Go on at", "起点"], toTime: ["a time", "指定时间"], toBegin: ["the oldest message", "最早消息"], toEnd: ["the end", "最新位点"], time: ["Time", "时间"], from: ["From", "从"], to: ["To", "到"], repeats: ["Again", "重复消费"], skips: ["Skipped", "跳过"],
  willRepeat: ["{0} {0:message|messages} will be consumed again, {1} will be skipped.", "将重复消费 {0} 条消息,跳过 {1} 条。"], membersAreTold: ["The group is online: its members are told.", "消费组在线:将通知其成员。"], offlineReset: ["The group is offline: the brokers' offsets are set.", "消费组离线:直接修改 Broker 上的位点。"],
  group: ["Group", "消费组"], clients: ["Clients", "终端"], client: ["Client", "终端"], clientId: ["Client id", "终端 ID"], type: ["Type", "类型"], model: ["Model", "模式"], systemGroups: ["System groups", "系统消费组"], addGroup: ["New group", "新增消费组"], consumeDetail: ["Progress", "消费详情"], limits: ["Limits", "监控阈值"],
  onBrokers: ["On the brokers", "所在 Broker"], subscriptionsDiffer: ["Members subscribe differently to {0}. Brokers keep one subscription for a group: messages are missed.", "组内成员对 {0} 的订阅不一致。Broker 对每个消费组只保留一份订阅,会漏消息。"], notSubscribed: ["not subscribed", "未订阅"], silent: ["The client does not answer.", "终端没有响应。"],
  limitsText: ["A group beyond its limits is shown as a problem.", "超出阈值的消费组会显示为问题。"], minCount: ["Clients, at least", "最少终端数"], maxLag: ["Lag, at most", "最大堆积"], deleteGroup: ["Delete group", "删除消费组"], deleteGroupText: ["{0} and its offsets will be gone on the brokers chosen here.", "{0} 及其消费位点将从所选 Broker 上删除。"],
  noProgress: ["The group has not consumed anything yet.", "该消费组尚未消费。"], noOwner: ["nobody", "无"], language: ["Language", "语言"], subscriptions: ["Subscriptions", "订阅"], expression: ["Expression", "表达式"], rates: ["Rates", "速率"], properties: ["Properties", "属性"], stack: ["Stacks", "堆栈"], noStack: ["The client does not tell.", "终端未提供。"],
  pullTps: ["Pulls / s", "拉取/秒"], pullRt: ["Pull ms", "拉取耗时"], okTps: ["Done / s", "成功/秒"], failedTps: ["Failed / s", "失败/秒"], consumeRt: ["Consume ms", "消费耗时"], failedHour: ["Failed, last hour", "近一小时失败"], cached: ["Cached", "缓存数"], cachedMib: ["Cached MiB", "缓存 MiB"], locked: ["Locked", "已加锁"], lastPull: ["Last pull", "最近拉取"], lastConsume: ["Last consumption", "最近消费"],
  consumeEnable: ["May consume", "允许消费"], broadcastEnable: ["May broadcast", "允许广播消费"], fromMinEnable: ["May start at the oldest", "允许从最小位点消费"], notifyEnable: ["Tells members of changes", "通知成员变化"], retryQueues: ["Retry queues", "重试队列数"], retryMax: ["Retries, at most", "最大重试次数"], brokerId: ["Broker id", "Broker ID"], slowBroker: ["Broker id when slow", "消费慢时的 Broker ID"],
  lastHeartbeat: ["Last heartbeat", "最近心跳"], producersByName: ["These brokers cannot list their producers: ask for a topic and a group.", "这些 Broker 无法列出生产者:请输入主题和生产组。"], producerGroup: ["Producer group", "生产组"],
  moreFilters: ["By body, property or offset", "按消息体、属性或位点"], purge: ["Delete all", "全部删除"], purgeText: ["All dead letters of {0} will be gone, on every broker.", "{0} 的全部死信将从所有 Broker 上删除。"],
  begin: ["Begin", "开始"], end: ["End", "结束"], bodyContains: ["Body contains", "消息体包含"], property: ["Property", "属性名"], propertyValue: ["Its value", "属性值"], storeTime: ["Stored", "存储时间"], bornTime: ["Sent", "产生时间"], size: ["Size", "大小"], bytes: ["{0} {0:byte|bytes}", "{0} 字节"], noMessages: ["No message found.", "没有找到消息。"], olderMessages: ["Older messages", "更早的消息"],
  scanned: ["{0} {0:message|messages} looked at; reading does not count as consumption", "已扫描 {0} 条消息;查看不计入消费"], chooseTopic: ["Choose a topic, or give a message id.", "请选择主题或输入消息 ID。"], text: ["Text", "文本"], hex: ["Hex", "十六进制"], offsetMsgId: ["Offset id", "位点 ID"], retries: ["Retries", "重试次数"], retryOf: ["{0} of {1}", "{0} / {1}"], life: ["Life", "生命周期"],
  copyBody: ["Copy body", "复制消息体"], download: ["Download", "下载"], sendAgain: ["Send again", "重新发送"], sendElsewhere: ["Send to …", "发送到……"], sentAgain: ["Sent again", "已重新发送"], consumeNow: ["Consume now", "立即消费"], consumedNow: ["Consumed", "已消费"], someFailed: ["{0} of {1} failed", "{1} 条中有 {0} 条失败"],
  failedTimes: ["failed {0} {0:time|times}", "已失败 {0} 次"],
  event_born: ["Sent", "发送"], event_stored: ["Stored", "存储"], event_delayed: ["Delayed", "延迟"], event_consumed: ["Consumed", "消费"], event_failed: ["Failed", "失败"], event_retry: ["Waits for a retry", "等待重试"], event_dlq: ["Dead letter", "进入死信"], event_waiting: ["Waits", "等待"], event_filtered: ["Filtered", "被过滤"], event_trace: ["Trace", "轨迹"],
  CONSUMED: ["consumed", "已消费"], NOT_CONSUME_YET: ["not consumed yet", "尚未消费"], NOT_ONLINE: ["group offline", "消费组离线"], CONSUMED_BUT_FILTERED: ["filtered", "已过滤"], PULL: ["pulled by the application", "应用主动拉取"], CONSUME_BROADCASTING: ["broadcast", "广播消费"], UNKNOWN: ["unknown", "未知"], RETRYING: ["waits for a retry", "等待重试"], IN_DLQ: ["dead letter", "死信"],
  CONSUME_PASSIVELY: ["push", "推"], CONSUME_ACTIVELY: ["pull", "拉"], CLUSTERING: ["clustering", "集群"], BROADCASTING: ["broadcasting", "广播"],
  noDeadLetters: ["No dead letters.", "没有死信。"], origin: ["From topic", "原主题"],
  traceTopic: ["Trace topic", "轨迹主题"], traceText: ["Give a message id, or a topic and a key.", "请输入消息 ID,或主题和 Key。"], noTrace: ["No trace of this message. Clients write traces only when told to.", "没有该消息的轨迹。客户端需启用轨迹。"], sent: ["Sent", "发送"], store: ["Stored at", "存储于"], cost: ["Took", "耗时"], step: ["Step", "步骤"],
  series: ["What", "指标"], perSecond: ["Messages per second", "每秒消息数"], noHistory: ["Nothing was collected in this time.", "该时段没有采集数据。"], zoomText: ["Drag over a chart to look closer.", "在图上拖动可放大。"],
  account: ["Account", "账号"], admin: ["Administrator", "管理员"], addAccount: ["New account", "新增账号"], secret: ["Secret", "密钥"], newSecret: ["New secret (empty: stays)", "新密钥(留空不变)"], defaultTopic: ["Other topics", "默认主题权限"], defaultGroup: ["Other groups", "默认消费组权限"], topicPerms: ["Topics, a line each: name=PUB|SUB", "主题权限,每行一个:name=PUB|SUB"], groupPerms: ["Groups, a line each: name=SUB", "消费组权限,每行一个:name=SUB"],
  whiteAddress: ["Addresses without a check", "免校验地址"], whiteList: ["Global white list, an address a line", "全局白名单,每行一个地址"], deleteAccount: ["Delete account", "删除账号"], deleteAccountText: ["{0} will be refused by every broker.", "所有 Broker 将拒绝 {0}。"], aclOff: ["The brokers check no accounts: aclEnable=false.", "Broker 未启用权限校验:aclEnable=false。"],
  testRules: ["May it?", "权限测试"], action: ["Action", "动作"], ask: ["Ask", "测试"], allowed: ["allowed", "允许"], denied: ["denied", "拒绝"],
  opsText: ["What is changed here counts for every user, until the dashboard ends.", "此处的修改对所有用户生效,直到控制台重启。"], nameServerLists: ["Known lists", "已知列表"], otherList: ["Another list", "其他列表"], connections: ["Connections", "连接"], useVip: ["Send to the VIP port (listenPort − 2)", "使用 VIP 端口(listenPort − 2)"], useTls: ["TLS", "TLS"],
  subject: ["Subject", "对象"], result: ["Result", "结果"],
};

// What is wrong, and what to do, in Chinese; the server says it in English (`src/problems.rs`).
const PROBLEMS = {
  nameServer: ["{0}", "请启动 NameServer,或将 rocketmq.config.namesrvAddr(或运维页中的列表)改为正在运行的地址"],
  unreachable: ["{0}", "请查看该机器上的 broker.log;mqadmin doctor 可给出更多信息"],
  disk: ["CommitLog 所在磁盘已使用 {0} %", "请清理磁盘,或缩短 fileReservedTime:mqadmin updateBrokerConfig -k fileReservedTime -v <小时>"],
  sendWait: ["最早的发送请求已等待 {0} 毫秒", "磁盘或 CPU 已到极限:请增加 Broker 或减少发送"],
  dispatch: ["CommitLog 中有 {0} MiB 尚未写入消费队列", "消费者会延迟看到消息;请检查磁盘"],
  noMaster: ["没有主节点:无法写入,消费者从从节点读取", "请重新启动主节点"],
  slaveBehind: ["比主节点落后 {0} MiB", "请查看其 store.log 以及到主节点 haListenPort 的网络"],
  slaveDiverged: ["其 CommitLog 比主节点更长:数据已分叉", "请停止该节点,移走其存储目录后重新启动,它会从主节点复制"],
  noConsumer: ["有 {0} 条消息等待,但没有消费者", "请启动该组的消费者;如不再使用,请删除该组"],
  lagGrows: ["堆积持续增长:{0} 条消息", "请增加消费者(最多每个队列一个)或提高消费速度"],
  queueStands: ["有消费者在线,但有 {0} 个队列停止消费,仍有消息等待:{1}", "请在消费组页查看该队列的消费终端:可能已挂起,或没有终端分配到该队列"],
  idleConsumers: ["{0} 个消费者共用 {1} 个队列:{2} 个处于空闲", "请增加主题队列数或停止部分消费者"],
  dlq: ["{0} 条消息重试失败,已进入 {1}", "请在死信页查看,修复消费者后重新发送"],
  tooFewConsumers: ["只有 {0} 个消费者,低于阈值 {1}", "请启动缺少的消费者"],
  subscriptionsDiffer: ["组内成员对 {0} 的订阅不一致:{1}", "请让组内所有成员使用相同的主题和表达式:Broker 对每个消费组只保留一份订阅,否则会漏消息"],
  lagLimit: ["堆积 {0} 超过阈值 {1}", "请增加消费者或提高消费速度"],
};

// What the audit log calls an action, in Chinese.
const ACTIONS = {
  "login": "登录",
  "send message": "发送消息",
  "resend": "重新发送",
  "consume directly": "立即消费",
  "create or update topic": "新增或更新主题",
  "delete topic": "删除主题",
  "delete topic on broker": "删除 Broker 上的主题",
  "create or update group": "新增或更新消费组",
  "delete group": "删除消费组",
  "reset offsets": "重置消费位点",
  "set limits": "设置监控阈值",
  "delete limits": "删除监控阈值",
  "set broker configuration": "修改 Broker 配置",
  "set account": "设置账号",
  "delete account": "删除账号",
  "set white list": "设置白名单",
  "update name servers": "更新 NameServer",
  "update VIP channel": "切换 VIP 通道",
  "update TLS": "切换 TLS",
};

// What the dashboard itself says to a request, English and Chinese; what brokers and name servers say stays as it is.
const TOLD = [
  ["log in first: POST login/login.do", "请先登录:POST login/login.do"],
  ["check that the server runs and that this machine reaches the address", "请确认服务器正在运行,且本机可以访问该地址"],
  ["create the topic, or check its name and the name server list on the Ops page", "请创建该主题,或检查其名称以及运维页中的 NameServer 列表"],
  ["start a consumer of the group", "请启动该组的消费者"],
  ["set rocketmq.config.accessKey and rocketmq.config.secretKey to an account with admin: true", "请将 rocketmq.config.accessKey 和 rocketmq.config.secretKey 设为 admin: true 的账号"],
  ["not login", "未登录"],
  ["Log in first", "请先登录"],
  ["The dashboard does not answer", "控制台没有响应"],
  ["Check that its process runs; this page goes on by itself when it is back.", "请检查其进程是否在运行;恢复后本页会自动继续。"],
  ["no answer", "没有响应"],
  ["Bad username or password!", "用户名或密码错误!"],
  ["Bad username or password! {0} times; {1} is locked for {2} s", "用户名或密码已错误 {0} 次;{1} 被锁定,剩余 {2} 秒"],
  ["no permission: {0} may not call {1}", "没有权限:{0} 不能调用 {1}"],
  ["the request comes from {0}, another site", "请求来自其他站点 {0}"],
  ["the request has no valid X-CSRF-Token header; load the page again", "请求缺少有效的 X-CSRF-Token,请重新加载页面"],
  ["the deletion is not confirmed", "删除未经确认"],
  ["confirm must be {0}", "confirm 必须为 {0}"],
  ["{0} is no list of name servers", "{0} 不是 NameServer 列表"],
  ["write host:port, several separated by semicolons", "请填写 host:port,多个之间用分号分隔"],
  ["add the list on the Ops page, or to rocketmq.config.namesrvAddrs", "请在运维页中添加该列表,或加入 rocketmq.config.namesrvAddrs"],
  ["the broker {0} has no master now", "Broker {0} 当前没有主节点"],
  ["no broker can be reached", "没有可以连接的 Broker"],
  ["clusterName or brokerName can not be all blank", "集群名和 Broker 名不能都为空"],
  ["name clusterNameList or brokerNameList; cluster/list.query lists them", "请给出 clusterNameList 或 brokerNameList;可由 cluster/list.query 查到"],
  ["groupName can not be blank", "消费组名不能为空"],
  ["topicName can not be blank", "主题名不能为空"],
  ["accessKey can not be blank", "accessKey 不能为空"],
  ["Required String parameter '{0}' is not present", "缺少参数 {0}"],
  ["parameter '{0}' is not a number: {1}", "参数 {0} 不是数字:{1}"],
  ["JSON parse error: {0}", "JSON 解析错误:{0}"],
  ["the end of the time lies before its begin", "结束时间早于开始时间"],
  ["the time to show must end after it begins, and last at most 400 days", "结束时间必须晚于开始时间,且跨度不超过 400 天"],
  ["there is no series {0}", "没有指标 {0}"],
  ["write broker:NAME:ID, topic:NAME or group:NAME", "请填写 broker:名称:ID、topic:名称 或 group:名称"],
  ["the cursor is not one of ours; begin the search again", "游标无效,请重新查询"],
  ["The broker[{0}] not exist", "Broker [{0}] 不存在"],
  ["there is no message at offset {0} of {1} {2} {3}", "{1} {2} {3} 的位点 {0} 处没有消息"],
  ["Failed to query message by Id: {0}", "按 ID 查询消息失败:{0}"],
  ["name 1 to {0} message ids", "请给出 1 到 {0} 个消息 ID"],
  ["{0} does not tell which topic it came from", "{0} 没有记录其原主题"],
  ["there is no task {0}", "没有任务 {0}"],
  ["there is no format {0}; choose csv or json", "没有格式 {0};请选择 csv 或 json"],
  ["there is no action {0}; choose PUB or SUB", "没有动作 {0};请选择 PUB 或 SUB"],
  ["name a topic or a group", "请给出主题或消费组"],
  ["NO CONSUMER", "没有在线的消费者"],
  ["the group has not consumed anything yet", "该消费组尚未消费"],
];

let chosen = "en";

export function language() {
  return localStorage.getItem("lang") || (navigator.language.startsWith("zh") ? "zh" : "en");
}

export function setLanguage(lang) {
  chosen = lang === "zh" ? "zh" : "en";
  localStorage.setItem("lang", chosen);
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
}

function said(text, given) {
  return text.replace(/\{(\d)(?::([^|}]*)\|([^}]*))?\}/g, (_, at, one, many) => (one === undefined ? given[at] : String(given[at]) === "1" ? one : many));
}

export function t(key, ...given) {
  const words = WORDS[key];
  return said(words ? words[chosen === "zh" ? 1 : 0] : String(key), given);
}

// What the server says, in the chosen language where it is the dashboard's own.
export function told(text) {
  if (chosen !== "zh" || !text) return text;
  for (const [english, chinese] of TOLD) {
    const pattern = english.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\d\}/g, "(.*)");
    const found = new RegExp(`^${pattern}$`, "s").exec(text);
    if (found) return said(chinese, found.slice(1));
  }
  return text;
}

export function actionText(action) {
  return (chosen === "zh" && ACTIONS[action]) || action;
}

// What is wrong and what to do about it, in the chosen language.
export function problemText({ kind, message, fix, values }) {
  const words = chosen === "zh" && PROBLEMS[kind];
  return words ? [said(words[0], values), words[1]] : [message, fix];
}
