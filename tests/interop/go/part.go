package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Equal in all languages: matrix/src/feature.rs.
const (
	messages  = 20
	queues    = 4
	namespace = "MatrixSpace"
	sqlWanted = "n BETWEEN 5 AND 14 AND color IS NULL"
	tagWanted = "TagA || TagC"
)

// limit is how long a part may take; the cell gives up a little later.
const limit = 110 * time.Second

type part struct {
	namesrv, feature, topic, group string
	tell                           func(word string)
}

func (p *part) servers() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{p.namesrv})
}

func (p *part) tracing() *primitive.TraceConfig {
	return &primitive.TraceConfig{Access: primitive.Local, GroupName: p.group + "_trace", Resolver: p.servers()}
}

func body(index int) string { return fmt.Sprintf("matrix %d", index) }

func tag(index int) string { return []string{"TagA", "TagB", "TagC"}[index%3] }

func (p *part) message(index int) *primitive.Message {
	message := primitive.NewMessage(p.topic, []byte(body(index)))
	message.WithTag(tag(index)).WithKeys([]string{fmt.Sprintf("key%d", index)})
	message.WithProperty("n", fmt.Sprint(index))
	return message
}

func (p *part) wanted(index int) bool {
	switch p.feature {
	case "tags":
		return tag(index) != "TagB"
	case "sql":
		return index >= 5 && index <= 14
	case "transaction":
		return index%3 != 1
	}
	return true
}

// received is what a consumer got, held against what it has to get.
type received struct {
	part   *part
	lock   sync.Mutex
	counts map[int]int
	err    error
}

func newReceived(p *part) *received { return &received{part: p, counts: map[int]int{}} }

// add notes a delivery and returns the message's number, or -1.
func (r *received) add(message *primitive.MessageExt) int {
	for index := 0; index < messages; index++ {
		if string(message.Body) != body(index) || !r.part.wanted(index) {
			continue
		}
		// Go's client ends the keys with their separator.
		keys := strings.TrimSpace(message.GetKeys())
		if message.GetTags() != tag(index) || keys != fmt.Sprintf("key%d", index) ||
			message.GetProperty("n") != fmt.Sprint(index) {
			r.wrong("properties of %d: %v", index, message.GetProperties())
		}
		r.lock.Lock()
		defer r.lock.Unlock()
		r.counts[index]++
		return index
	}
	r.wrong("got a message that it must not get: %s", message.Body)
	return -1
}

func (r *received) wrong(format string, values ...interface{}) {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.err == nil {
		r.err = fmt.Errorf(format, values...)
	}
}

func (r *received) missing(times func(int) int) (int, error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for index := 0; index < messages; index++ {
		if r.part.wanted(index) && r.counts[index] < times(index) {
			return index, r.err
		}
	}
	return -1, r.err
}

// wait returns when each wanted message was delivered so often.
func (r *received) wait(times func(int) int) error {
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		index, err := r.missing(times)
		if err != nil {
			return err
		}
		if index < 0 {
			break
		}
		if time.Since(begun) > limit {
			return fmt.Errorf("missing, among others: %d; got %v", index, r.counts)
		}
	}
	// What must not come would come about now.
	time.Sleep(500 * time.Millisecond)
	_, err := r.missing(times)
	return err
}

func once(int) int { return 1 }
