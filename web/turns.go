package web

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// turns are for answers that cost much. Few of them are made at once, so that events,
// evaluations and reverts go on beside them; of those that were made few wait until they
// are taken, so that their memory has a bound. One identity has its share of both. Who asks
// for one more waits for a while; those who can control have their turn first.
type turns struct {
	most, own         int // being made at once; of one identity
	mostHeld, ownHeld int // being made or taken; of one identity
	patience          time.Duration

	mu           sync.Mutex
	making, held int
	by           map[string]*turnsOf // who holds any
	waiting      []*turn             // those who can control first, then as they came
}

// turnsOf are those of one identity.
type turnsOf struct{ making, held int }

// turn is one answer, or who waits to make it.
type turn struct {
	name    string
	control bool
	making  bool
	granted chan struct{}
}

// How many answers that cost much are held at once until they are taken, and how long
// somebody waits to make one.
const (
	heldTurns    = 64
	ownTurns     = 8
	turnPatience = 5 * time.Second
)

func newTurns() *turns {
	most := max(2, runtime.GOMAXPROCS(0))
	return &turns{most: most, own: most / 2, mostHeld: heldTurns, ownHeld: ownTurns, patience: turnPatience, by: map[string]*turnsOf{}}
}

// take waits for a turn, which has to be given back by done.
func (t *turns) take(ctx context.Context, name string, who *access.Identity) (*turn, error) {
	w := &turn{name: name, control: canControl(who), granted: make(chan struct{})}
	t.mu.Lock()
	if t.grant(w) {
		t.mu.Unlock()
		return w, nil
	}
	at := len(t.waiting)
	if w.control {
		at = slices.IndexFunc(t.waiting, func(o *turn) bool { return !o.control })
		if at < 0 {
			at = len(t.waiting)
		}
	}
	t.waiting = slices.Insert(t.waiting, at, w)
	t.mu.Unlock()
	patience := time.NewTimer(t.patience)
	defer patience.Stop()
	select {
	case <-w.granted:
		return w, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return t.leave(ctx, w, who)
}

// leave ends the wait of somebody, who may have been given a turn meanwhile.
func (t *turns) leave(ctx context.Context, w *turn, who *access.Identity) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.making {
		return w, nil
	}
	t.waiting = slices.DeleteFunc(t.waiting, func(o *turn) bool { return o == w })
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for a turn: %w", err)
	}
	if mine := t.by[w.name]; mine != nil && (mine.making >= t.own || mine.held >= t.ownHeld) {
		return nil, tooManyOwn(who, mine.held)
	}
	return nil, respond.New(http.StatusServiceUnavailable, "busy", "Too many requests that cost much are being answered (%d).", t.held).Later(time.Second)
}

// grant gives somebody a turn, if there is one. The caller holds mu.
func (t *turns) grant(w *turn) bool {
	held := t.mostHeld
	if !w.control {
		held -= t.mostHeld / keptShare
	}
	mine := t.by[w.name]
	if t.making >= t.most || t.held >= held || mine != nil && (mine.making >= t.own || mine.held >= t.ownHeld) {
		return false
	}
	if mine == nil {
		mine = &turnsOf{}
		t.by[w.name] = mine
	}
	mine.making++
	mine.held++
	t.making++
	t.held++
	w.making = true
	close(w.granted)
	return true
}

// made says that an answer was made, and is only to be taken yet.
func (t *turns) made(w *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(w)
	t.next()
}

// done gives a turn back.
func (t *turns) done(w *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(w)
	t.held--
	mine := t.by[w.name]
	if mine.held--; mine.held == 0 {
		delete(t.by, w.name)
	}
	t.next()
}

// end notes that an answer is no longer being made. The caller holds mu.
func (t *turns) end(w *turn) {
	if !w.making {
		return
	}
	w.making = false
	t.making--
	t.by[w.name].making--
}

// next lets those in whose turn it is. The caller holds mu.
func (t *turns) next() { t.waiting = slices.DeleteFunc(t.waiting, t.grant) }

// turn lets a request that costs much wait for its turn. What a change says has come before,
// so that who sends slowly keeps nobody waiting; see settle.
func (s *Server) turn(r auth.Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if !r.Heavy {
			return next
		}
		return func(c echo.Context) error {
			t, err := s.turns.take(c.Request().Context(), auth.Caller(c), auth.Who(c))
			if err != nil {
				return err
			}
			defer s.turns.done(t)
			c.Response().Before(func() { s.turns.made(t) }) // Answers are whole before their first byte is sent.
			return next(c)
		}
	}
}
