package real

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// order is when the shop wrote an order and saw it elsewhere, by the clock of this
// machine; the zero time where it did not yet.
type order struct{ written, standby, cache time.Time }

// shop is the running program and what it says that it did.
type shop struct {
	mu     sync.Mutex
	orders map[int64]*order
	bySpan map[string]*order // by the producer span, TRACE:SPAN
	stop   func()
}

// startShop builds and runs the program with its spans sent to endpoint and
// nothing else said about telemetry, but for a shorter delay of the SDK's batches.
func startShop(t *testing.T, pg *postgres, cache string, rate int, endpoint, headers string) *shop {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "shop")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./shop").CombinedOutput(); err != nil {
		t.Fatalf("build the shop: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), bin, "-primary", pg.primary, "-standby", pg.standby,
		"-cache", cache, "-rate", strconv.Itoa(rate))
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_EXPORTER_OTLP_HEADERS="+headers,
		"OTEL_BSP_SCHEDULE_DELAY=100")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the shop: %v", err)
	}
	s := &shop{orders: map[int64]*order{}, bySpan: map[string]*order{}}
	read := make(chan error, 1)
	go func() { read <- s.read(stdout) }()
	s.stop = sync.OnceFunc(func() {
		stdin.Close()
		if err := <-read; err != nil {
			t.Errorf("read what the shop says: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the shop failed: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

func (s *shop) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var n struct {
			What, Span string
			ID, At     int64
		}
		if err := json.Unmarshal(lines.Bytes(), &n); err != nil {
			return err
		}
		s.note(n.What, n.ID, n.Span, time.Unix(0, n.At))
	}
	return lines.Err()
}

func (s *shop) note(what string, id int64, span string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[id]
	if o == nil {
		o = &order{}
		s.orders[id] = o
	}
	switch what {
	case "written":
		o.written = at
		s.bySpan[span] = o
	case "standby":
		o.standby = at
	case "cache":
		o.cache = at
	}
}

// truth is what the shop knows about its replicas at one moment.
type truth struct {
	written       int
	standbyMissed int           // written, not seen on the standby
	cacheMissed   int           // written, not put in the cache
	standbyAge    time.Duration // of the oldest of standbyMissed
}

func (s *shop) truth(now time.Time) truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tr truth
	for _, o := range s.orders {
		if o.written.IsZero() {
			continue // seen elsewhere before the writer's own line was read
		}
		tr.written++
		if o.standby.IsZero() {
			tr.standbyMissed++
			tr.standbyAge = max(tr.standbyAge, now.Sub(o.written))
		}
		if o.cache.IsZero() {
			tr.cacheMissed++
		}
	}
	return tr
}

// lags are how long each order took to each replica, shortest first.
type lags struct{ standby, cache []time.Duration }

func (s *shop) lags() lags {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l lags
	for _, o := range s.orders {
		if o.written.IsZero() {
			continue
		}
		if !o.standby.IsZero() {
			l.standby = append(l.standby, o.standby.Sub(o.written))
		}
		if !o.cache.IsZero() {
			l.cache = append(l.cache, o.cache.Sub(o.written))
		}
	}
	slices.Sort(l.standby)
	slices.Sort(l.cache)
	return l
}

// lagOf is how long the order of a write took to the standby.
func (s *shop) lagOf(writeID string) (lag time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.bySpan[strings.TrimPrefix(writeID, "otel:")]
	if o == nil || o.standby.IsZero() {
		return 0, false
	}
	return o.standby.Sub(o.written), true
}

// quantile is the value below which a share q of sorted values lies.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, max(0, int(q*float64(len(sorted)))))]
}
