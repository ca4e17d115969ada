// Package live tells browsers and programs what has just changed, over server-sent
// events. A subscriber has a bounded queue: one that cannot keep up is dropped and
// told so, and nobody else waits for it.
package live

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"tidemark/metrics"
)

// Errors of subscribing. Test with errors.Is.
var (
	// ErrTooMany means that there are MaxSubscribers already.
	ErrTooMany = errors.New("too many live subscribers")
	// ErrTooManyOwn means that one of them has Share already.
	ErrTooManyOwn = errors.New("too many live pages of this key or person are open")
	// ErrClosed means that the hub is stopping.
	ErrClosed = errors.New("live updates are stopping")
)

// The topics. Those of one feature or write are made by functions.
const (
	TopicOverview = "overview" // any feature changed
	TopicPipeline = "pipeline" // the telemetry itself changed
	TopicTail     = "events"   // each event as it is folded
	TopicRollouts = "rollouts" // a rollout was judged again, or changed
)

// FeatureTopic is told when something of the feature changed.
func FeatureTopic(feature string) string { return "feature:" + feature }

// WriteTopic is told when an event of the write was folded.
func WriteTopic(writeID string) string { return "write:" + writeID }

// Message is one server-sent event.
type Message struct {
	ID    uint64 // grows by one for each message of the hub; 0 on those made for one subscriber
	Topic string
	Event string // the SSE event name, such as changed
	Data  string // one line, usually JSON
}

// Options configure a Hub.
type Options struct {
	MaxSubscribers int // default 1,000
	Share          int // of one key or person; default a tenth of MaxSubscribers
	Queue          int // messages that may wait for one subscriber; default 256
	Replay         int // messages kept for Last-Event-ID; default 512
}

// Hub passes messages on. It is safe for concurrent use.
type Hub struct {
	o Options

	done chan struct{} // closed by Close

	mu     sync.Mutex
	closed bool
	last   uint64
	topics map[string]*topic
	count  int
	own    map[string]int // subscriptions of one key or person
	replay []Message      // the latest, oldest first; without the tail's, which are too many

	dropped atomic.Uint64
	watched atomic.Int64 // who waits for tail and writes: no need to look at events for nobody
}

// topic is what somebody has. What nobody has is not published, so that what was missed is
// known only of the time in which others had it.
type topic struct {
	from uint64 // the last id of before
	subs map[*Subscription]struct{}
}

// NewHub returns a Hub.
func NewHub(o Options) *Hub {
	if o.MaxSubscribers <= 0 {
		o.MaxSubscribers = 1000
	}
	if o.Share <= 0 {
		o.Share = max(1, o.MaxSubscribers/10)
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	if o.Replay <= 0 {
		o.Replay = 512
	}
	return &Hub{o: o, done: make(chan struct{}), topics: map[string]*topic{}, own: map[string]int{}}
}

// Subscription receives the messages of its topics.
type Subscription struct {
	C <-chan Message // closed when the subscription ends, for whatever reason

	hub     *Hub
	who     string
	want    *TailEvent // what of the tail; nil is all
	c       chan Message
	topics  []string
	slow    bool // under hub.mu
	ended   bool // under hub.mu
	missed  []Message
	resumed bool
}

// Subscribe begins to receive the topics for a key or person. after is the last id that the client
// saw, 0 for none: what it missed since is sent first where it is still known.
func (h *Hub) Subscribe(who string, after uint64, topics ...string) (*Subscription, error) {
	return h.subscribe(who, after, nil, topics...)
}

func (h *Hub) subscribe(who string, after uint64, want *TailEvent, topics ...string) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	if h.count >= h.o.MaxSubscribers {
		return nil, ErrTooMany
	}
	if h.own[who] >= h.o.Share {
		return nil, ErrTooManyOwn
	}
	s := &Subscription{hub: h, who: who, want: want, c: make(chan Message, h.o.Queue), topics: topics}
	s.C = s.c
	s.missed, s.resumed = h.since(after, topics)
	for _, t := range topics {
		if h.topics[t] == nil {
			h.topics[t] = &topic{from: h.last, subs: map[*Subscription]struct{}{}}
		}
		h.topics[t].subs[s] = struct{}{}
		if watchesEvents(t) {
			h.watched.Add(1)
		}
	}
	h.count++
	h.own[who]++
	return s, nil
}

func watchesEvents(topic string) bool {
	return topic == TopicTail || strings.HasPrefix(topic, WriteTopic(""))
}

// since returns what was said after a message, and whether nothing is missing: the tail is
// not kept.
func (h *Hub) since(after uint64, topics []string) ([]Message, bool) {
	if after == 0 || after > h.last {
		return nil, false
	}
	want := map[string]bool{}
	for _, t := range topics {
		if at := h.topics[t]; t == TopicTail || at == nil || at.from > after {
			return nil, false
		}
		want[t] = true
	}
	if after == h.last {
		return nil, true
	}
	var out []Message
	for _, m := range h.replay {
		if m.ID > after && want[m.Topic] {
			out = append(out, m)
		}
	}
	return out, len(h.replay) > 0 && h.replay[0].ID <= after+1
}

// Missed returns what was said since the client's last message; complete is false
// when some of that is forgotten, and the client had better load everything anew.
func (s *Subscription) Missed() (ms []Message, complete bool) { return s.missed, s.resumed }

// Slow reports whether the subscription ended because its queue was full.
func (s *Subscription) Slow() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.slow
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.end(s)
}

// end removes a subscription; the caller holds the lock.
func (h *Hub) end(s *Subscription) {
	if s.ended {
		return
	}
	s.ended = true
	for _, t := range s.topics {
		delete(h.topics[t].subs, s)
		if len(h.topics[t].subs) == 0 {
			delete(h.topics, t)
		}
		if watchesEvents(t) {
			h.watched.Add(-1)
		}
	}
	h.count--
	if h.own[s.who]--; h.own[s.who] == 0 {
		delete(h.own, s.who)
	}
	close(s.c)
}

// Publish passes a message to everyone who has the topic. It never waits.
func (h *Hub) Publish(topic, event, data string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.last++
	m := Message{ID: h.last, Topic: topic, Event: event, Data: data}
	if len(h.replay) == h.o.Replay {
		h.replay = append(h.replay[:0], h.replay[1:]...)
	}
	h.replay = append(h.replay, m)
	if t := h.topics[topic]; t != nil {
		for s := range t.subs {
			h.pass(s, m)
		}
	}
}

// publishTail passes an event to everyone who wants it of the tail, so that nobody's
// queue fills with what they do not want. It is written out once.
func (h *Hub) publishTail(e *metrics.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tail := h.topics[TopicTail]
	if tail == nil {
		return
	}
	var m Message
	for s := range tail.subs {
		if !s.want.takes(e) {
			continue
		}
		if m.ID == 0 {
			h.last++
			m = Message{ID: h.last, Topic: TopicTail, Event: "event", Data: tailLine(e)}
		}
		h.pass(s, m)
	}
}

// pass queues a message; the caller holds the lock.
func (h *Hub) pass(s *Subscription, m Message) {
	select {
	case s.c <- m:
	default:
		s.slow = true
		h.dropped.Add(1)
		h.end(s)
	}
}

// Wanted reports whether anyone has the topic.
func (h *Hub) Wanted(topic string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[topic] != nil
}

// Close ends every subscription and refuses new ones.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		close(h.done)
	}
	for _, t := range h.topics {
		for s := range t.subs {
			h.end(s)
		}
	}
}

// Done is closed when the hub stops.
func (h *Hub) Done() <-chan struct{} { return h.done }

// Stats returns how many subscribers there are and how many were dropped as too slow.
func (h *Hub) Stats() (subscribers int, dropped uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count, h.dropped.Load()
}

// lastID reads a Last-Event-ID; what is not a number is 0.
func lastID(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
