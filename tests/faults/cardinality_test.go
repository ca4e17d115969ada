package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidemark/metrics/ingest"
	"tidemark/tests/tidemark"
)

// TestACarelessClient sends 100,000 different features, and then replicas, through
// one key. Past the limit each is refused by code, its neighbours in the same
// request are not, and another feature's numbers are what they were.
func TestACarelessClient(t *testing.T) {
	for _, c := range []struct {
		field string
		event func(i int, at int64) string
		limit int // distinct values that may be accepted
	}{
		{"feature", func(i int, at int64) string {
			return fmt.Sprintf(`{"kind":"initiated","write_id":"w%d","feature":"order-%d","service":"s","occurred_at":%d}`, i, i, at)
		}, 2000},
		{"replica", func(i int, at int64) string {
			return fmt.Sprintf(`{"kind":"applied","write_id":"w","feature":"careless","service":"s","replica":"pod-%d","occurred_at":%d}`, i, at)
		}, 200},
	} {
		t.Run(c.field, func(t *testing.T) {
			data := t.TempDir()
			k := key(t, data)
			s := startLimited(t, data)
			neighbour := newLoad(100)
			for range 4 { // one batch for each of its features
				neighbour.sendUntil(t, newClient(s.URL, k), http.StatusOK, 10*time.Second)
			}
			before := neighbourNumbers(t, newClient(s.URL, k))
			flood(t, newClient(s.URL, k), c.field, c.limit, c.event)
			if after := neighbourNumbers(t, newClient(s.URL, k)); after != before {
				t.Errorf("the neighbour's numbers were %s and are %s", before, after)
			}
			neighbour.sendUntil(t, newClient(s.URL, k), http.StatusOK, 10*time.Second)
			neighbour.check(t)
			checkMemory(t, s)
			checkServes(t, s, k)
		})
	}
}

// neighbourNumbers are what the overview says of a feature that the flood does not
// name, once its batch is counted.
func neighbourNumbers(t *testing.T, c *client) string {
	t.Helper()
	const writes = 20 // of a batch of 100 events
	deadline := time.Now().Add(20 * time.Second)
	for {
		var all struct {
			Features []struct {
				Feature string
				Writes  int64
				All     json.RawMessage
				Pending int64
			}
		}
		if err := json.Unmarshal([]byte(c.get(t, "/api/v1/features")), &all); err != nil {
			t.Fatal(err)
		}
		for _, f := range all.Features {
			if f.Feature == "f1" && f.Writes == writes && f.Pending == 0 {
				return fmt.Sprintf("%d writes, everywhere %s", f.Writes, f.All)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("f1 has not its %d writes: %+v", writes, all.Features)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// flood sends 100,000 events with a name of their own each, 500 a request, each
// request with one event of a feature that is known already.
func flood(t *testing.T, c *client, field string, limit int, event func(i int, at int64) string) {
	t.Helper()
	const total, size = 100_000, 500
	accepted, refused := 0, 0
	var body bytes.Buffer
	for first := 0; first < total; first += size {
		body.Reset()
		at := time.Now().UnixNano()
		for i := first; i < first+size; i++ {
			body.WriteString(event(i, at) + "\n")
		}
		fmt.Fprintf(&body, `{"kind":"initiated","write_id":"known-%d","feature":"f0","service":"s","occurred_at":%d}`+"\n", first, at)
		a, err := c.post(t.Context(), &body)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("request at %d: %+v, %v", first, a, err)
		}
		for _, r := range a.Rejected {
			if r.Index == size {
				t.Fatalf("the neighbour was refused: %+v", r)
			}
			if r.Code != ingest.CodeCardinality || r.Field != field || !strings.Contains(r.Message, fmt.Sprint(limit)) {
				t.Fatalf("refused as %+v; want code %s, field %s and the limit %d in words", r, ingest.CodeCardinality, field, limit)
			}
		}
		accepted += a.Accepted - 1
		refused += len(a.Rejected)
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted > limit || accepted < limit/2 || accepted+refused != total {
		t.Errorf("accepted %d and refused %d of %d; at most %d names are allowed", accepted, refused, total, limit)
	}
}

// checkServes asks for the overview, which must neither be slow nor forget.
func checkServes(t *testing.T, s *tidemark.Server, k string) {
	t.Helper()
	begin := time.Now()
	if body := newClient(s.URL, k).get(t, "/api/v1/features"); !strings.Contains(body, `"f0"`) {
		t.Errorf("the neighbour is not among the features: %.300s", body)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("the features took %s", d)
	}
}
