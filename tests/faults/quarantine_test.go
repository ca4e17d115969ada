package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/metrics"
	"tidemark/metrics/sketch"
	"tidemark/metrics/sqlite"
	"tidemark/tests/tidemark"
)

// TestNothingInQuarantineIsLostWhenKilled kills the server at random moments: first
// while it keeps events with labels that nobody declared, then, as each label is
// declared, while it lets them go on. Every acknowledged event is in quarantine exactly
// once, then in the log, and every write is counted exactly once.
func TestNothingInQuarantineIsLostWhenKilled(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	moments := rand.New(rand.NewPCG(*seed, 1))
	l := newLoad(200)
	rounds := int64(max(*kills/2, 1))
	l.label = func(batch int64) string { return fmt.Sprintf("held-%d", batch%rounds) }
	serve := func() *tidemark.Server {
		t.Helper()
		return tidemark.Start(t, "serve", "--data", data, "--quarantine-events", "2000000", "--quarantine-bytes", "2048") // half for one feature
	}
	for round := range rounds {
		after := l.killUnder(t, serve(), k, moments)
		t.Logf("round %d: killed after %s; %d events acknowledged so far", round, after, l.events())
	}
	if l.events() == 0 {
		t.Fatal("nothing was acknowledged, so nothing was tested")
	}
	l.check(t)
	held := heldEvents(t, l, data)
	l.checkKept(t, held)
	if n := logged(t, data); len(n) > 0 {
		t.Fatalf("%d events with a label that nobody declared are in the log", len(n))
	}

	control := strings.TrimSpace(tidemark.Verb(t, "keys", "create", "declares", "--data", data, "--scope", "control"))
	interrupted := 0
	for round := range rounds {
		s := serve()
		declare(t, s.URL, control, fmt.Sprintf("held-%d", round))
		after := time.Duration(moments.Int64N(int64(150 * time.Millisecond)))
		<-time.After(after)
		s.Kill()
		left := 0
		for b, events := range heldEvents(t, l, data) {
			if b%rounds == round {
				left += len(events)
			}
		}
		if left > 0 {
			interrupted++
		}
		t.Logf("round %d: killed %s after the label was declared; %d of %d events still wait for it", round, after, left, size(held))
	}
	if interrupted == 0 {
		t.Error("no kill came while events went on, so that was not tested")
	}
	s := serve()
	c := newClient(s.URL, k)
	for end := time.Now().Add(time.Minute); !strings.Contains(c.get(t, "/api/v1/quarantine/counts"), `"items":[]`); {
		if time.Now().After(end) {
			t.Fatal("events with a declared label wait for more than a minute")
		}
		<-time.After(20 * time.Millisecond)
	}
	if err := s.Stop(time.Minute); err != nil {
		t.Fatalf("stop: %v\n%s", err, s.Said())
	}
	l.checkStored(t, data)
	inLog := logged(t, data)
	if len(inLog) != size(held) {
		t.Errorf("%d events were in quarantine, and %d are in the log", size(held), len(inLog))
	}
	writes := map[string]bool{}
	for _, e := range inLog {
		writes[e] = true
	}
	if got := countedWrites(t, data); got != int64(len(writes)) {
		t.Errorf("%d writes went on, and %d are counted", len(writes), got)
	}
	served := rollups(t, data)
	tidemark.Verb(t, "rebuild", "--data", data)
	if rebuilt := rollups(t, data); !slices.Equal(served, rebuilt) {
		t.Errorf("what was served is not what the log adds up to (-served +rebuilt):\n%.4000s", cmp.Diff(served, rebuilt))
	}
}

// declare lets every service carry a label.
func declare(t *testing.T, url, key, label string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/api/v1/labels/"+label, strings.NewReader(`{"definition":{"services":["*"]},"reason":"a test"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("PUT label %s: %d", label, resp.StatusCode)
	}
}

func size(k kept) (n int) {
	for _, events := range k {
		n += len(events)
	}
	return n
}

// heldEvents lists what is in quarantine in the folder of a server that has ended, and
// fails the test when an event is there twice or was never sent.
func heldEvents(t *testing.T, l *load, data string) kept {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer s.Close()
	out, after := kept{}, int64(0)
	for {
		list, err := s.Held(t.Context(), metrics.HeldQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatalf("read the quarantine: %v", err)
		}
		if len(list) == 0 {
			break
		}
		for i := range list {
			first, err := l.keep(out, list[i].Event.EventID)
			if err != nil || !first {
				t.Fatalf("%s is held twice, or: %v", list[i].Event.EventID, err)
			}
		}
		after = list[len(list)-1].Number
	}
	if total := s.HeldTotal().Events; total != int64(size(out)) {
		t.Errorf("the quarantine says that it holds %d events, and lists %d", total, size(out))
	}
	return out
}

// logged is what the log holds: the write of each event, by the event's name.
func logged(t *testing.T, data string) map[string]string {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer s.Close()
	out := map[string]string{}
	err = s.Scan(t.Context(), s.Begin(), func(_ metrics.Position, events []metrics.Event) error {
		for i := range events {
			out[strings.Clone(events[i].EventID)] = strings.Clone(events[i].WriteID)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the log: %v", err)
	}
	return out
}

// countedWrites is how many initiated writes the rollups count in all.
func countedWrites(t *testing.T, data string) (n int64) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer s.Close()
	q := metrics.CellQuery{Level: metrics.Level1h, From: 0, To: 1 << 40, Metrics: []metrics.Metric{metrics.MetricWrites}, AllFeatures: true}
	if err := s.Cells(t.Context(), q, func(_ *metrics.Series, _ int64, c *sketch.Cell) error {
		n += c.N
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}
