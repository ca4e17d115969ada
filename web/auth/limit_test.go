package auth_test

import (
	"fmt"
	"testing"
	"time"

	"tidemark/web/auth"
)

func TestLimiterCountsEachKey(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := auth.NewLimiter(2, 3, 100, func() time.Time { return now })
	for i := range 3 {
		if wait := l.Take("a"); wait != 0 {
			t.Fatalf("take %d: wait %s", i, wait)
		}
	}
	if wait := l.Take("a"); wait != 500*time.Millisecond {
		t.Errorf("wait %s, want 500ms at 2 a second", wait)
	}
	if wait := l.Wait("a"); wait != 500*time.Millisecond {
		t.Errorf("looking: %s", wait)
	}
	if l.Take("b") != 0 || l.Wait("never seen") != 0 {
		t.Error("other keys must not wait")
	}
	now = now.Add(500 * time.Millisecond)
	if l.Wait("a") != 0 || l.Take("a") != 0 || l.Take("a") == 0 {
		t.Error("half a second is worth exactly one")
	}
}

func TestLimiterForgetsTheIdleAndKeepsTheBusy(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := auth.NewLimiter(1, 4, 10, func() time.Time { return now })
	for l.Take("busy") == 0 {
	}
	for i := range 1000 {
		if wait := l.Take(fmt.Sprint(i)); wait != 0 {
			t.Fatalf("key %d waits %s", i, wait)
		}
	}
	if l.Wait("busy") == 0 {
		t.Error("a flood of keys freed a busy one")
	}
}

func TestNoLimit(t *testing.T) {
	t.Parallel()
	l := auth.NewLimiter(0, 0, 1, time.Now)
	for range 100 {
		if l.Take("a") != 0 {
			t.Fatal("limited")
		}
	}
	var none *auth.Limiter
	if none.Take("a") != 0 || none.Wait("a") != 0 {
		t.Error("nil is no limit")
	}
}

func TestAKeyWithALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	l := auth.NewLimiter(1000, 2000, 100, func() time.Time { return now })
	for i := range 6 { // three a second, twice as many at once
		if wait := l.TakeOwn("slow", 3, false); wait != 0 {
			t.Fatalf("request %d waits %s", i, wait)
		}
	}
	if wait := l.TakeOwn("slow", 3, false); wait < 333*time.Millisecond || wait > 334*time.Millisecond {
		t.Errorf("wait %s, want a third of a second", wait)
	}
	if l.TakeOwn("slow", 3, true) == 0 {
		t.Error("a light request is free when nothing is left")
	}
	if wait := l.Take("fast"); wait != 0 {
		t.Errorf("another key waits %s", wait)
	}
	// The limit is changed: from the next request on.
	if wait := l.TakeOwn("slow", 50, false); wait != 0 {
		t.Errorf("with a higher limit it still waits %s", wait)
	}
	if wait := l.TakeOwn("greedy", 1e9, false); wait != 0 {
		t.Error(wait)
	}
	for range 1999 {
		l.TakeOwn("greedy", 1e9, false)
	}
	if l.TakeOwn("greedy", 1e9, false) == 0 {
		t.Error("a limit of its own lifts everybody's limit")
	}
}
