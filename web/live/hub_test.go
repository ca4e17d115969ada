package live_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/metrics"
	"tidemark/web/live"
)

func subscribe(t *testing.T, h *live.Hub, after uint64, topics ...string) *live.Subscription {
	t.Helper()
	s, err := h.Subscribe("user:ana", after, topics...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestASubscriberGetsItsTopicsInOrder(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{})
	s := subscribe(t, h, 0, "a", "b")
	for _, topic := range []string{"a", "c", "b", "a"} {
		h.Publish(topic, "changed", topic)
	}
	s.Close()
	got := ""
	for m := range s.C {
		got += fmt.Sprint(m.ID, m.Data, " ")
	}
	if got != "1a 3b 4a " {
		t.Errorf("got %q", got)
	}
	if s.Slow() {
		t.Error("a subscriber that closed itself is not slow")
	}
}

func TestASlowSubscriberIsDroppedAndNobodyWaits(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{Queue: 2})
	slow, quick := subscribe(t, h, 0, "a"), subscribe(t, h, 0, "a")
	for i := range 5 {
		h.Publish("a", "changed", fmt.Sprint(i))
		if m := <-quick.C; m.Data != fmt.Sprint(i) {
			t.Fatalf("quick got %s", m.Data)
		}
	}
	n := 0
	for range slow.C {
		n++
	}
	if n != 2 || !slow.Slow() {
		t.Errorf("slow got %d, slow %v", n, slow.Slow())
	}
	if subscribers, dropped := h.Stats(); subscribers != 1 || dropped != 1 {
		t.Errorf("%d subscribers, %d dropped", subscribers, dropped)
	}
}

func TestSubscribersHaveALimit(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{MaxSubscribers: 1})
	s := subscribe(t, h, 0, "a")
	if _, err := h.Subscribe("user:ana", 0, "a"); !errors.Is(err, live.ErrTooMany) {
		t.Errorf("second: %v", err)
	}
	s.Close()
	subscribe(t, h, 0, "a")
	h.Close()
	if _, err := h.Subscribe("user:ana", 0, "a"); !errors.Is(err, live.ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
	h.Publish("a", "changed", "") // Harmless.
}

func TestNobodyHasAllLivePages(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{MaxSubscribers: 40})
	open := func(who string) (*live.Subscription, error) { return h.Subscribe(who, 0, "a") }
	var mine *live.Subscription
	for i := range 4 {
		s, err := open("user:eve")
		if err != nil {
			t.Fatalf("page %d: %v", i, err)
		}
		mine = s
	}
	if _, err := open("user:eve"); !errors.Is(err, live.ErrTooManyOwn) {
		t.Errorf("the fifth page of the same person: %v", err)
	}
	if _, err := open("user:ana"); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	mine.Close()
	mine.Close()
	if _, err := open("user:eve"); err != nil {
		t.Errorf("after closing one: %v", err)
	}
	if _, err := open("user:eve"); !errors.Is(err, live.ErrTooManyOwn) {
		t.Errorf("closing twice gave two places back: %v", err)
	}
}

func TestWhatWasMissedIsKnownForAWhile(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{Replay: 3})
	subscribe(t, h, 0, "a", live.TopicTail)
	for i := range 5 {
		h.Publish([]string{"a", "b"}[i%2], "changed", fmt.Sprint(i)) // ids 1 to 5
	}
	for after, want := range map[uint64]struct {
		n        int
		complete bool
	}{2: {2, true}, 4: {1, true}, 5: {0, true}, 1: {2, false}, 9: {0, false}} {
		missed, complete := subscribe(t, h, after, "a").Missed()
		if len(missed) != want.n || complete != want.complete {
			t.Errorf("after %d: %d messages, complete %v; want %+v", after, len(missed), complete, want)
		}
	}
	for _, topic := range []string{"b", live.TopicTail} { // Nobody had b, so that it was not published each time.
		if _, complete := subscribe(t, h, 5, topic).Missed(); complete {
			t.Errorf("of %s nothing is said to be missing", topic)
		}
	}
}

func TestTheFeedTellsOncePerTick(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{})
	f := live.NewFeed(h)
	s := subscribe(t, h, 0, live.TopicOverview, live.FeatureTopic("cart"), live.FeatureTopic("feed"))
	for range 3 {
		f.Folded([]metrics.Event{{Feature: "cart"}, {Feature: "cart"}, {Feature: "other"}})
	}
	f.Tick(time.Unix(0, 7))
	f.Tick(time.Unix(0, 8))
	s.Close()
	got := map[string]int{}
	for m := range s.C {
		got[m.Topic+" "+m.Data]++
	}
	if len(got) != 2 || got[`feature:cart {"at":7}`] != 1 || got[`overview {"at":7}`] != 1 {
		t.Errorf("got %v", got)
	}
}

func TestAWatcherHearsOfItsWrite(t *testing.T) {
	t.Parallel()
	f := live.NewFeed(live.NewHub(live.Options{}))
	changed, cancel := f.Subscribe("w1")
	f.Folded([]metrics.Event{{Feature: "cart", WriteID: "w2"}})
	select {
	case <-changed:
		t.Fatal("heard of another write")
	default:
	}
	for range 3 { // Notices merge; nobody waits for the watcher.
		f.Folded([]metrics.Event{{Feature: "cart", WriteID: "w1"}})
	}
	<-changed
	cancel()
	cancel()
	f.Folded([]metrics.Event{{Feature: "cart", WriteID: "w1"}})
	select {
	case <-changed:
		t.Error("heard after cancelling")
	default:
	}
}

// stream serves a hub's topic "a" and returns the lines that a client reads.
func stream(t *testing.T, h *live.Hub, lastID string) *bufio.Scanner {
	t.Helper()
	return read(t, lastID, func(c echo.Context) error { return h.Serve(c, "a") })
}

func read(t *testing.T, lastID string, serve echo.HandlerFunc) *bufio.Scanner {
	t.Helper()
	e := echo.New()
	e.GET("/", serve)
	srv := httptest.NewServer(e)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(srv.Close)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatalf("type %s", kind)
	}
	return bufio.NewScanner(resp.Body)
}

// until reads lines until one is the last that is wanted.
func until(s *bufio.Scanner, last string) (lines []string) {
	for s.Scan() {
		if lines = append(lines, s.Text()); s.Text() == last {
			return lines
		}
	}
	return append(lines, "(end)")
}

func TestAStreamIsServerSentEvents(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{})
	s := stream(t, h, "")
	h.Publish("a", "changed", `{"x":1}`) // Serve subscribed before it answered.
	if got := strings.Join(until(s, `data: {"x":1}`), "|"); got != `retry: 2000||id: 1|event: changed|data: {"x":1}` {
		t.Errorf("got %q", got)
	}
	h.Close()
	if got := strings.Join(until(s, "data: {}"), "|"); got != "|event: stopping|data: {}" {
		t.Errorf("at the end %q", got)
	}
}

func TestAStreamResumes(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{Replay: 2})
	stream(t, h, "")
	for i := range 4 {
		h.Publish("a", "changed", fmt.Sprint(i))
	}
	if got := strings.Join(until(stream(t, h, "2"), "data: 3"), "|"); got != "retry: 2000||id: 3|event: changed|data: 2||id: 4|event: changed|data: 3" {
		t.Errorf("resumed %q", got)
	}
	if got := strings.Join(until(stream(t, h, "1"), "data: {}"), "|"); got != "retry: 2000||event: reload|data: {}" {
		t.Errorf("too late %q", got)
	}
}

// Who asks for some events of the tail has a queue of those alone.
func TestNobodysQueueFillsWithWhatTheyDoNotWant(t *testing.T) {
	t.Parallel()
	h := live.NewHub(live.Options{Queue: 2})
	f := live.NewFeed(h)
	some := read(t, "", func(c echo.Context) error { return h.ServeTail(c, live.TailEvent{Feature: "cart", Kind: "visible"}) })
	all := read(t, "", func(c echo.Context) error { return h.ServeTail(c, live.TailEvent{}) })
	others := make([]metrics.Event, 10_000)
	for i := range others {
		others[i] = metrics.Event{Feature: "feed", Kind: metrics.KindVisible}
	}
	f.Folded(others)
	f.Folded([]metrics.Event{{Feature: "cart", Kind: metrics.KindApplied}, {Feature: "cart", Kind: metrics.KindVisible, EventID: "e"}})
	h.Close()
	if got := strings.Join(until(some, "data: {}"), "|"); strings.Count(got, "event: event") != 1 || !strings.Contains(got, `"event_id":"e"`) || !strings.Contains(got, "event: stopping") {
		t.Errorf("who wants one event got %q", got)
	}
	if _, dropped := h.Stats(); dropped != 1 {
		t.Errorf("%d were dropped; want the one who wanted all", dropped)
	}
	if got := strings.Join(until(all, "(none)"), "|"); !strings.Contains(got, "event: dropped") {
		t.Errorf("who wants all got %q", got)
	}
}

func TestLongMessagesComeWhole(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 100_000} {
		data := strings.Repeat("x", n)
		s := read(t, "", func(c echo.Context) error {
			out := live.Begin(c)
			return errors.Join(out.SendAs("7", "snapshot", data), out.SendAs("", "end", "."))
		})
		s.Buffer(nil, 1<<20)
		if got, want := strings.Join(until(s, "data: ."), "|"), "retry: 2000||id: 7|event: snapshot|data: "+data+"||event: end|data: ."; got != want {
			t.Errorf("%d bytes came as %d", n, len(got))
		}
	}
}
