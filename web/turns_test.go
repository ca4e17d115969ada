package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/flags/access"
	"tidemark/web/respond"
)

// fewTurns are two at once, one of one identity, and of those that are made 32, four of one.
func fewTurns() *turns {
	return &turns{most: 2, own: 1, mostHeld: 32, ownHeld: 4, patience: turnPatience, by: map[string]*turnsOf{}}
}

// TestAnswersThatCostMuchTakeTurns: who asks for many has one made at a time, others have
// theirs meanwhile, those who can control before who came earlier, and who waits too long is
// told to come again.
func TestAnswersThatCostMuchTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := access.ServiceIdentity(&access.Key{ID: "r", Scopes: []access.Scope{access.ScopeRead}})
		control := access.ServiceIdentity(&access.Key{ID: "c", Scopes: []access.Scope{access.ScopeControl}})
		p := fewTurns()
		var mu sync.Mutex
		var told []string
		say := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, s)
		}
		ask := func(ctx context.Context, name string, who *access.Identity, takes time.Duration) {
			begin := time.Now()
			go func() {
				w, err := p.take(ctx, name, who)
				waited := time.Since(begin)
				var refused *respond.Problem
				switch {
				case errors.As(err, &refused):
					say(fmt.Sprintf("%s: %d after %v, later %v", name, refused.Status, waited, refused.RetryAfter > 0))
					return
				case err != nil:
					say(fmt.Sprintf("%s: %v", name, err))
					return
				}
				say(fmt.Sprintf("%s after %v", name, waited))
				time.Sleep(takes)
				p.done(w)
			}()
			synctest.Wait()
		}
		gone, leave := context.WithCancel(t.Context())
		ask(t.Context(), "a", reader, 3*time.Second)
		ask(t.Context(), "a", reader, 3*time.Second)
		ask(t.Context(), "a", reader, time.Second)
		ask(t.Context(), "b", reader, 2*time.Second)
		ask(t.Context(), "c", reader, time.Second)
		ask(gone, "d", reader, time.Second)
		ask(t.Context(), "operator", control, 2*time.Second)
		leave()
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"a after 0s", "b after 0s", "d: wait for a turn: context canceled", "operator after 2s", "a after 3s", "c after 4s", "a: 429 after 5s, later true"}
		if fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("%q, want %q", told, want)
		}
		if p.making != 0 || p.held != 0 || len(p.by) != 0 || len(p.waiting) != 0 {
			t.Errorf("all are gone, and yet %d are made and %d held by %d, %d wait", p.making, p.held, len(p.by), len(p.waiting))
		}
	})
}

// TestAnswersThatNobodyTakesHaveABound: one that was made leaves its turn to the next while
// it is taken; of those there is a share for each, and the last are for who can control.
func TestAnswersThatNobodyTakesHaveABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := access.ServiceIdentity(&access.Key{ID: "r", Scopes: []access.Scope{access.ScopeRead}})
		control := access.ServiceIdentity(&access.Key{ID: "c", Scopes: []access.Scope{access.ScopeControl}})
		p := fewTurns()
		made := func(name string, who *access.Identity) int {
			w, err := p.take(t.Context(), name, who)
			var refused *respond.Problem
			switch {
			case errors.As(err, &refused):
				return refused.Status
			case err != nil:
				t.Fatal(err)
			}
			p.made(w)
			return http.StatusOK
		}
		for i := range 30 {
			if got := made(fmt.Sprint("reader", i/4), reader); got != http.StatusOK {
				t.Fatalf("answer %d: %d", i, got)
			}
		}
		for _, x := range []struct {
			name string
			who  *access.Identity
			want int
		}{
			{"reader0", reader, http.StatusTooManyRequests},
			{"another", reader, http.StatusServiceUnavailable},
			{"operator", control, http.StatusOK},
			{"operator", control, http.StatusOK},
			{"operator", control, http.StatusServiceUnavailable},
		} {
			if got := made(x.name, x.who); got != x.want {
				t.Errorf("%s: %d, want %d", x.name, got, x.want)
			}
		}
	})
}

// TestSomebodyHasATurn on the smallest machine.
func TestSomebodyHasATurn(t *testing.T) {
	t.Parallel()
	if p := newTurns(); p.most < 2 || p.own < 1 || p.own >= p.most {
		t.Errorf("%d turns, %d of one identity", p.most, p.own)
	}
}

func BenchmarkTurn(b *testing.B) {
	p := newTurns()
	who := access.ServiceIdentity(&access.Key{ID: "r", Scopes: []access.Scope{access.ScopeRead}})
	for b.Loop() {
		w, err := p.take(b.Context(), "r", who)
		if err != nil {
			b.Fatal(err)
		}
		p.made(w)
		p.done(w)
	}
}
