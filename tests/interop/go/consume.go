package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

type listener = func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error)

func (p *part) consume() error {
	switch p.feature {
	case "broadcast":
		return p.broadcast()
	case "from-where":
		return p.fromWhere()
	case "retry":
		return p.retry()
	case "request":
		return p.answer()
	case "pull":
		return p.pull()
	case "lite-pull":
		return absent("Go's client 2.1.2 has one pull consumer only, which polls: see the classic one")
	}
	return p.plain()
}

// push starts a consumer of that group.
func (p *part) push(group, topic string, listen listener, more ...consumer.Option) (rocketmq.PushConsumer, error) {
	options := append([]consumer.Option{
		consumer.WithNsResolver(p.servers()),
		consumer.WithGroupName(group),
		consumer.WithInstance(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	}, more...)
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}
	switch p.feature {
	case "tags":
		selector.Expression = tagWanted
	case "sql":
		selector = consumer.MessageSelector{Type: consumer.SQL92, Expression: sqlWanted}
	case "namespace":
		options = append(options, consumer.WithNamespace(namespace))
	case "trace":
		options = append(options, consumer.WithTrace(p.tracing()))
	}
	receiver, err := rocketmq.NewPushConsumer(options...)
	if err != nil {
		return nil, err
	}
	if err := receiver.Subscribe(topic, selector, listen); err != nil {
		return nil, err
	}
	return receiver, receiver.Start()
}

func noting(r *received) listener {
	return func(_ context.Context, all ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range all {
			r.add(message)
		}
		return consumer.ConsumeSuccess, nil
	}
}

func (p *part) plain() error {
	r := newReceived(p)
	listen, more := noting(r), []consumer.Option{}
	switch p.feature {
	case "orderly":
		listen = inOrder(r)
		more = append(more, consumer.WithConsumerOrder(true))
	case "delay":
		listen = func(_ context.Context, all ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, message := range all {
				// What the delay level of the producers means here, ms.
				if after := message.StoreTimestamp - message.BornTimestamp; after < 1000 {
					r.wrong("delivered after %d ms", after)
				}
				r.add(message)
			}
			return consumer.ConsumeSuccess, nil
		}
	}
	receiver, err := p.push(p.group, p.topic, listen, more...)
	if err != nil {
		return err
	}
	p.tell("ready")
	if err := r.wait(once); err != nil {
		return err
	}
	if p.feature == "reset" {
		p.tell("seen")
		if err := r.wait(func(int) int { return 2 }); err != nil {
			return err
		}
	}
	if p.feature == "trace" {
		// What is recorded goes out in the background.
		time.Sleep(3 * time.Second)
		return nil
	}
	return receiver.Shutdown()
}

// inOrder: messages of a queue have to come in the order they were sent.
func inOrder(r *received) listener {
	var lock sync.Mutex
	last := map[int]int{}
	return func(_ context.Context, all ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		lock.Lock()
		defer lock.Unlock()
		for _, message := range all {
			index := r.add(message)
			if before, any := last[index%queues]; any && before >= index {
				r.wrong("%d after %d", index, before)
			}
			last[index%queues] = index
		}
		return consumer.ConsumeSuccess, nil
	}
}

// broadcast: both members of the group get everything.
func (p *part) broadcast() error {
	var members []*received
	for _, name := range []string{"one", "two"} {
		r := newReceived(p)
		receiver, err := p.push(p.group, p.topic, noting(r),
			consumer.WithConsumerModel(consumer.BroadCasting), consumer.WithInstance(p.group+name))
		if err != nil {
			return err
		}
		defer receiver.Shutdown()
		members = append(members, r)
	}
	p.tell("ready")
	for _, r := range members {
		if err := r.wait(once); err != nil {
			return err
		}
	}
	return nil
}

// fromWhere: a new group gets what is there, from the first message or from an hour ago.
func (p *part) fromWhere() error {
	for _, from := range []consumer.ConsumeFromWhere{consumer.ConsumeFromFirstOffset, consumer.ConsumeFromTimestamp} {
		r := newReceived(p)
		ago := time.Now().UTC().Add(-time.Hour).Format("20060102150405")
		receiver, err := p.push(fmt.Sprintf("%s_%d", p.group, from), p.topic, noting(r),
			consumer.WithConsumeFromWhere(from), consumer.WithConsumeTimestamp(ago))
		if err != nil {
			return err
		}
		if err := r.wait(once); err != nil {
			return err
		}
		if err := receiver.Shutdown(); err != nil {
			return err
		}
	}
	return nil
}

// retry: every message fails once; the odd ones fail again and are dead letters.
func (p *part) retry() error {
	tries, dead := newReceived(p), newReceived(p)
	listen := func(_ context.Context, all ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		result := consumer.ConsumeSuccess
		for _, message := range all {
			index := tries.add(message)
			if message.Topic != p.topic {
				tries.wrong("comes again as of %s", message.Topic)
			}
			if message.ReconsumeTimes == 0 || index%2 == 1 {
				result = consumer.ConsumeRetryLater
			}
		}
		return result, nil
	}
	receiver, err := p.push(p.group, p.topic, listen, consumer.WithMaxReconsumeTimes(1))
	if err != nil {
		return err
	}
	defer receiver.Shutdown()
	letters, err := p.push(p.group+"_dead", "%DLQ%"+p.group, noting(dead))
	if err != nil {
		return err
	}
	defer letters.Shutdown()
	p.tell("ready")
	if err := tries.wait(func(int) int { return 2 }); err != nil {
		return err
	}
	return dead.wait(func(index int) int { return index % 2 })
}

// answer answers each request.
func (p *part) answer() error {
	r, answered := newReceived(p), newReceived(p)
	replier := &part{namesrv: p.namesrv, feature: "reply", topic: p.topic, group: p.group + "_replier"}
	sender, err := rocketmq.NewProducer(replier.options()...)
	if err != nil {
		return err
	}
	if err := sender.Start(); err != nil {
		return err
	}
	defer sender.Shutdown()
	listen := func(ctx context.Context, all ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range all {
			r.add(message)
			reply, err := consumer.CreateReplyMessage(message, []byte("reply to "+string(message.Body)))
			if err == nil {
				// CreateReplyMessage of 2.1.2 puts the text elsewhere.
				reply.Body = []byte("reply to " + string(message.Body))
				err = stored(sender.SendSync(ctx, reply))
				// Go's producer may be known to the broker later than its first request: Go's own example waits too.
				for begun := time.Now(); err != nil && time.Since(begun) < 40*time.Second; {
					time.Sleep(time.Second)
					err = stored(sender.SendSync(ctx, reply))
				}
			}
			if err != nil {
				answered.wrong("%v", err)
			} else {
				answered.add(message)
			}
		}
		return consumer.ConsumeSuccess, nil
	}
	receiver, err := p.push(p.group, p.topic, listen)
	if err != nil {
		return err
	}
	defer receiver.Shutdown()
	p.tell("ready")
	if err := r.wait(once); err != nil {
		return err
	}
	return answered.wait(once)
}

// pull polls until everything is there, and acknowledges.
func (p *part) pull() error {
	r := newReceived(p)
	receiver, err := rocketmq.NewPullConsumer(
		consumer.WithNsResolver(p.servers()),
		consumer.WithGroupName(p.group),
		consumer.WithInstance(p.group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	)
	if err != nil {
		return err
	}
	if err := receiver.Subscribe(p.topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}); err != nil {
		return err
	}
	if err := receiver.Start(); err != nil {
		return err
	}
	defer receiver.Shutdown()
	for begun := time.Now(); time.Since(begun) < limit; {
		if index, err := r.missing(once); err != nil || index < 0 {
			break
		}
		polled, err := receiver.Poll(context.Background(), time.Second)
		if consumer.IsNoNewMsgError(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, message := range polled.GetMsgList() {
			r.add(message)
		}
		receiver.ACK(context.Background(), polled, consumer.ConsumeSuccess)
	}
	return r.wait(once)
}
