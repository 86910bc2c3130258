package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func (p *part) options() []producer.Option {
	options := []producer.Option{
		producer.WithNsResolver(p.servers()),
		producer.WithGroupName(p.group + "_producer"),
		producer.WithInstanceName(p.group + "_producer"),
		producer.WithSendMsgTimeout(10 * time.Second),
	}
	switch p.feature {
	case "namespace":
		options = append(options, producer.WithNamespace(namespace))
	case "orderly":
		options = append(options, producer.WithQueueSelector(producer.NewHashQueueSelector()))
	case "trace":
		options = append(options, producer.WithTrace(p.tracing()))
	}
	return options
}

func stored(result *primitive.SendResult, err error) error {
	if err == nil && result.Status != primitive.SendOK {
		err = fmt.Errorf("%v", result)
	}
	return err
}

func (p *part) produce() error {
	if p.feature == "transaction" {
		return p.transactions()
	}
	sender, err := rocketmq.NewProducer(p.options()...)
	if err != nil {
		return err
	}
	if err := sender.Start(); err != nil {
		return err
	}
	switch p.feature {
	case "trace":
		// What is recorded of the sends goes out in the background.
		defer time.Sleep(3 * time.Second)
	case "oneway", "request":
		// The last message, or the answer to the last reply, would be lost with the connection.
		defer func() {
			time.Sleep(time.Second)
			sender.Shutdown()
		}()
	default:
		defer sender.Shutdown()
	}
	var all []*primitive.Message
	for index := 0; index < messages; index++ {
		all = append(all, p.message(index))
	}
	ctx := context.Background()
	switch p.feature {
	case "async":
		return p.async(sender, all)
	case "batch":
		return stored(sender.SendSync(ctx, all...))
	}
	for index, message := range all {
		switch p.feature {
		case "oneway":
			err = sender.SendOneWay(ctx, message)
		case "request":
			var reply *primitive.Message
			reply, err = sender.Request(ctx, 60*time.Second, message)
			if err == nil && string(reply.Body) != "reply to "+body(index) {
				err = fmt.Errorf("the reply to %d is %s", index, reply.Body)
			}
		case "orderly":
			message.WithShardingKey(fmt.Sprint(index % queues))
			err = stored(sender.SendSync(ctx, message))
		case "delay":
			message.WithDelayTimeLevel(2)
			err = stored(sender.SendSync(ctx, message))
		default:
			err = stored(sender.SendSync(ctx, message))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *part) async(sender rocketmq.Producer, all []*primitive.Message) error {
	var answers sync.WaitGroup
	var failed atomic.Value
	for _, message := range all {
		answers.Add(1)
		err := sender.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			if err := stored(result, err); err != nil {
				failed.Store(err.Error())
			}
			answers.Done()
		}, message)
		if err != nil {
			return err
		}
	}
	answers.Wait()
	if why := failed.Load(); why != nil {
		return fmt.Errorf("%v", why)
	}
	return nil
}

// transactions: one is committed, one rolled back, one left open until the broker asks, and so on.
type transactions struct{ asked int32 }

func (t *transactions) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	var index int
	fmt.Sscanf(string(message.Body), "matrix %d", &index)
	return []primitive.LocalTransactionState{
		primitive.CommitMessageState, primitive.RollbackMessageState, primitive.UnknowState,
	}[index%3]
}

func (t *transactions) CheckLocalTransaction(*primitive.MessageExt) primitive.LocalTransactionState {
	atomic.AddInt32(&t.asked, 1)
	return primitive.CommitMessageState
}

func (p *part) transactions() error {
	listener := &transactions{}
	sender, err := rocketmq.NewTransactionProducer(listener, p.options()...)
	if err != nil {
		return err
	}
	if err := sender.Start(); err != nil {
		return err
	}
	defer sender.Shutdown()
	open := int32(0)
	for index := 0; index < messages; index++ {
		if index%3 == 2 {
			open++
		}
		result, err := sender.SendMessageInTransaction(context.Background(), p.message(index))
		if err != nil {
			return err
		}
		if err := stored(result.SendResult, nil); err != nil {
			return err
		}
	}
	for begun := time.Now(); atomic.LoadInt32(&listener.asked) < open; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > limit {
			return fmt.Errorf("the broker asked %d times, not %d", listener.asked, open)
		}
	}
	// What it answers is sent one-way, in the background: let it out.
	time.Sleep(time.Second)
	return nil
}
