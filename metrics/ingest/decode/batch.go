package decode

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"tidemark/metrics"
)

// Limits of one request, beside those of each field in metrics.Limits.
const (
	// MaxEvents is how many events, accepted and rejected, one request may hold.
	MaxEvents = 20_000
	// maxMade is how many events, accepted and rejected, may be made of a request's
	// items: a span can give two for each of its links, and for each of its events.
	maxMade = 4 * MaxEvents
	// maxOfSpan is how many links, and how many events, one span may have.
	maxOfSpan = MaxEvents
	// maxSpent is how many bytes what is made of a request may take beside its body.
	maxSpent = 128 << 20
	// longestList is how many items any list may have.
	longestList = max(metrics.MaxExpect, metrics.MaxParents, metrics.MaxLabels)
)

const (
	eventSize     = int(unsafe.Sizeof(metrics.Event{}) + unsafe.Sizeof(int(0)))
	rejectionSize = int(unsafe.Sizeof(metrics.Rejection{})) + 256 // with its message
	bookedAtOnce  = 1 << 20
	// MaxDepth is how deep delta and attributes may be nested.
	MaxDepth = 64
)

// Errors of a whole body. Wrapped errors say more; test with errors.Is.
var (
	ErrBody      = errors.New("the body cannot be read")            // 400, never worth a retry
	ErrTooMany   = errors.New("too many events in one request")     // 413
	ErrTooLarge  = errors.New("the body is too large")              // 413
	ErrEncoding  = errors.New("the content encoding is not known")  // 415
	ErrMediaType = errors.New("the content type is not known here") // 415
)

// Batch is what a request held. It may be used again after Reset; the zero value
// is ready.
type Batch struct {
	Events   []metrics.Event
	Indexes  []int               // Indexes[i] is the place in the request of Events[i]; one item may give several events
	Rejected []metrics.Rejection // in the order in which they were found
	// Book, unless nil, is asked for so many bytes in all before what is made of the
	// request takes more. Its error ends the reading. Reset forgets it.
	Book func(bytes int64) error

	items   int      // how many items the request held, whatever became of them
	spent   int      // bytes of text and lists, and of attributes for each event they were set in
	booked  int      // bytes
	mapped  itemSet  // items whose feature is from the settings
	arena   []byte   // text that could not alias the body
	strs    []string // backing of list fields
	scratch []byte
	attrs   []byte // unknown members of the event being read
	list    []string
	nodes   []node
	errs    []fieldError
	unkept  bool // the event being read has an unknown member that cannot be kept
	shape   shape
	spans   spanBuffer
}

// itemSet has a bit for each item of a request.
type itemSet [(MaxEvents + 63) / 64]uint64

func (s *itemSet) set(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *itemSet) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }

// Mapped reports whether the settings gave the item at index its feature: whoever sent
// it did not name that.
func (b *Batch) Mapped(index int) bool { return b.mapped.has(index) }

// Reset forgets everything and keeps the memory. Events and strings that were
// handed out are no longer valid. Events are cleared when they are used again: by now
// they have left the processor's cache, and what they hold on to is the request's own.
func (b *Batch) Reset() {
	clear(b.Rejected)
	clear(b.strs)
	clear(b.list)
	clear(b.nodes[:cap(b.nodes)])
	b.spans.reset()
	b.Events, b.Indexes, b.Rejected = b.Events[:0], b.Indexes[:0], b.Rejected[:0]
	b.arena, b.strs, b.list, b.errs = b.arena[:0], b.strs[:0], b.list[:0], b.errs[:0]
	b.items, b.spent, b.booked, b.Book = 0, 0, 0, nil
	b.mapped = itemSet{}
	b.shape.forget()
}

// Size is roughly how much memory the batch keeps for its next use, in bytes.
func (b *Batch) Size() int {
	return cap(b.Events)*int(unsafe.Sizeof(metrics.Event{})) + cap(b.arena) + cap(b.strs)*16 + cap(b.scratch) + b.spans.span.size()
}

// Items is how many items (events, spans, log records) the request held.
func (b *Batch) Items() int { return b.items }

// RejectedItems is how many distinct items were rejected: an item that gives
// several events counts once.
func (b *Batch) RejectedItems() int {
	seen := make(map[int]struct{}, len(b.Rejected))
	for i := range b.Rejected {
		seen[b.Rejected[i].Index] = struct{}{}
	}
	return len(seen)
}

// Validate moves every event that cannot be accepted at the server's time now
// (Unix ns) from Events to Rejected.
func (b *Batch) Validate(now int64) {
	kept := 0
	for i := range b.Events {
		if r := metrics.Validate(&b.Events[i], now); r != nil {
			r.Index = b.Indexes[i]
			b.Rejected = append(b.Rejected, *r)
			continue
		}
		if kept != i {
			b.Events[kept], b.Indexes[kept] = b.Events[i], b.Indexes[i]
		}
		kept++
	}
	clear(b.Events[kept:])
	b.Events, b.Indexes = b.Events[:kept], b.Indexes[:kept]
}

// begin opens the next item of the request and returns its place.
func (b *Batch) begin() (index int, err error) {
	if b.items >= MaxEvents {
		return 0, fmt.Errorf("%w: at most %d are allowed; send smaller requests", ErrTooMany, MaxEvents)
	}
	if err = b.afford(); err != nil {
		return 0, err
	}
	b.items++
	return b.items - 1, nil
}

// afford returns an error when too much was made of the request so far.
func (b *Batch) afford() error {
	if len(b.Events)+len(b.Rejected) >= maxMade {
		return fmt.Errorf("%w: what it holds would make more than %d; send smaller requests", ErrTooMany, maxMade)
	}
	used := b.spent + len(b.Events)*eventSize + len(b.Rejected)*rejectionSize
	if used > maxSpent {
		return fmt.Errorf("%w: what it holds would take more than %d bytes, as attributes of a resource count for each of its events; send smaller requests", ErrTooLarge, maxSpent)
	}
	if b.Book == nil || used <= b.booked {
		return nil
	}
	b.booked = used + bookedAtOnce
	return b.Book(int64(b.booked))
}

// add makes room for one more event of the item at index.
func (b *Batch) add(index int) *metrics.Event {
	n := len(b.Events)
	b.Events = slices.Grow(b.Events, 1)[:n+1]
	b.Indexes = append(b.Indexes, index)
	e := &b.Events[n]
	*e = metrics.Event{}
	return e
}

// drop takes back the last event that add made.
func (b *Batch) drop() {
	last := len(b.Events) - 1
	b.Events[last] = metrics.Event{}
	b.Events, b.Indexes = b.Events[:last], b.Indexes[:last]
}

// seal fills in what the sender may leave out.
func (b *Batch) seal(e *metrics.Event) {
	e.SettleReplica()
	if e.EventID == "" {
		start := b.room(64)
		b.arena, b.scratch = metrics.AppendContentID(b.arena, b.scratch, e)
		e.EventID = text(b.arena[start:])
	}
}

func (b *Batch) reject(index int, id, code, field, message string) {
	if len(id) > metrics.MaxID {
		id = ""
	}
	b.Rejected = append(b.Rejected, metrics.Rejection{
		Index: index, EventID: string([]byte(id)), Code: code, Field: field, Message: message,
	})
}

const (
	smallestChunk = 64 << 10
	largestChunk  = 4 << 20
)

// room makes sure that the next n bytes of the arena are contiguous and returns
// where they start. A full chunk is left to the strings that alias it; the next
// is larger, so that a batch that is used again soon needs only one.
func (b *Batch) room(n int) int {
	if cap(b.arena)-len(b.arena) < n {
		b.arena = make([]byte, 0, max(smallestChunk, min(2*cap(b.arena), largestChunk), n))
		b.spent += cap(b.arena)
	}
	return len(b.arena)
}

// keep copies p into the arena.
func (b *Batch) keep(p []byte) string {
	start := b.room(len(p))
	b.arena = append(b.arena, p...)
	return text(b.arena[start:])
}

// keepList copies the strings gathered in b.list into a slice of their own.
func (b *Batch) keepList() []string {
	n := len(b.list)
	if n == 0 {
		return nil
	}
	if cap(b.strs)-len(b.strs) < n {
		b.strs = make([]string, 0, max(1024, n))
		b.spent += cap(b.strs) * int(unsafe.Sizeof(""))
	}
	start := len(b.strs)
	b.strs = append(b.strs, b.list...)
	return b.strs[start:len(b.strs):len(b.strs)]
}

// text views bytes as a string without copying them.
func text(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	return unsafe.String(&p[0], len(p))
}

// bytesOf views a string as bytes that must not be changed.
func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
