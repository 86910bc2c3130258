// Go's client in the interop matrix: plays the parts that it is told on standard input.
//
// Usage: go-peer NAMESRV. Each line is "ID produce|consume FEATURE TOPIC GROUP"; the answers are "@ ID ready",
// "@ ID seen", "@ ID passed", "@ ID failed TEXT" and "@ ID absent TEXT". Ends with its input.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// absent is the error of a part that Go's client cannot play.
type absent string

func (what absent) Error() string { return string(what) }

var output sync.Mutex

func say(id, words string) {
	output.Lock()
	defer output.Unlock()
	fmt.Printf("@ %s %s\n", id, strings.ReplaceAll(words, "\n", " "))
}

func play(id string, part *part, produce bool) {
	run := part.consume
	if produce {
		run = part.produce
	}
	err := run()
	var missing absent
	switch {
	case err == nil:
		say(id, "passed")
	case errors.As(err, &missing):
		say(id, "absent "+err.Error())
	default:
		say(id, "failed "+err.Error())
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		id := words[0]
		part := &part{
			namesrv: os.Args[1], feature: words[2], topic: words[3], group: words[4],
			tell: func(word string) { say(id, word) },
		}
		go play(id, part, words[1] == "produce")
	}
}
