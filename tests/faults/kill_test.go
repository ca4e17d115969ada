package faults

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/tests/tidemark"
)

// kills and seed make the loop longer or another one:
// go test ./tests/faults -run Killed -kills 200 -seed 7.
var (
	kills = flag.Int("kills", 6, "how often the server is killed")
	seed  = flag.Uint64("seed", 1, "of the moments at which it is")
)

// TestNothingAcknowledgedIsLostWhenKilled kills the server at random moments under
// load. Afterwards every acknowledged event is in the log, and the rollups that it
// went on with are what the log adds up to.
func TestNothingAcknowledgedIsLostWhenKilled(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	moments := rand.New(rand.NewPCG(*seed, 0))
	l := newLoad(200)
	for round := range *kills {
		after := l.killUnder(t, tidemark.Start(t, "serve", "--data", data), k, moments)
		t.Logf("round %d: killed after %s; %d events acknowledged so far", round, after, l.events())
	}
	if l.events() == 0 {
		t.Fatal("nothing was acknowledged, so nothing was tested")
	}
	l.check(t)

	// The last start folds what the kill left over; stopping well writes it down.
	s := tidemark.Start(t, "serve", "--data", data)
	if err := s.Stop(time.Minute); err != nil {
		t.Fatalf("stop: %v\n%s", err, s.Said())
	}
	l.checkStored(t, data)
	served := rollups(t, data)
	tidemark.Verb(t, "rebuild", "--data", data)
	rebuilt := rollups(t, data)
	if len(rebuilt) == 0 {
		t.Fatal("the log adds up to nothing")
	}
	if !slices.Equal(served, rebuilt) {
		t.Errorf("what was served is not what the log adds up to (-served +rebuilt):\n%.4000s", cmp.Diff(served, rebuilt))
	}
}

// TestStoppingLosesNothing stops the server politely under load.
func TestStoppingLosesNothing(t *testing.T) {
	data := t.TempDir()
	k := key(t, data)
	l := newLoad(100)
	s := tidemark.Start(t, "serve", "--data", data)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx, newClient(s.URL, k), 4)
	}()
	<-time.After(time.Second)
	if err := s.Stop(30 * time.Second); err != nil {
		t.Fatalf("stop: %v\n%s", err, s.Said())
	}
	cancel()
	<-done
	if l.events() == 0 {
		t.Fatal("nothing was acknowledged, so nothing was tested")
	}
	l.checkStored(t, data)
}
