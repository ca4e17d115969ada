package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
)

// holds are the answers that go on for long, by who gets them: they must end when that
// person or key may not have them any more, and not only when somebody asks again.
type holds struct {
	mu   sync.Mutex
	open map[*hold]struct{}
}

type hold struct {
	who   *access.Identity
	route Route
	end   context.CancelFunc
}

// Hold ends the request's context when whoever asks may not have the route any more. The
// caller releases it when it has answered.
func (a *Auth) Hold(c echo.Context, r Route) (release func()) {
	who := Who(c)
	if who == nil || r.May == access.Public {
		return func() {}
	}
	before := c.Request()
	ctx, end := context.WithCancel(before.Context())
	c.SetRequest(before.WithContext(ctx))
	h := &hold{who: who, route: r, end: end}
	a.held.mu.Lock()
	defer a.held.mu.Unlock()
	a.held.open[h] = struct{}{}
	return func() {
		end()
		c.SetRequest(before) // What is still to be said, an error for one, is said all the same.
		a.held.mu.Lock()
		defer a.held.mu.Unlock()
		delete(a.held.open, h)
	}
}

// Recheck looks again at whoever gets an answer that goes on, and ends those that may not
// have it any more. Each is looked up once, however many answers it gets. When that
// cannot be done, the answers go on and the next time tries again.
func (a *Auth) Recheck(ctx context.Context) error {
	a.held.mu.Lock()
	open := make([]*hold, 0, len(a.held.open))
	for h := range a.held.open {
		open = append(open, h)
	}
	a.held.mu.Unlock()
	type name struct{ key, session string }
	now := map[name]*access.Identity{} // nil = nobody any more
	var failed []error
	for _, h := range open {
		n := name{h.who.KeyID, h.who.Session}
		id, known := now[n]
		if !known {
			var err error
			if id, err = a.again(ctx, h.who); err != nil {
				failed = append(failed, err)
				continue
			}
			now[n] = id
		}
		if id == nil || !id.May(h.route.May) && !mayOwn(h.route, id) {
			h.end()
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("look again at who gets streams: %w", failed[0])
	}
	return nil
}

// again is who that key or session is now; nil when it is nobody any more.
func (a *Auth) again(ctx context.Context, who *access.Identity) (*access.Identity, error) {
	if who.KeyID != "" {
		id, err := a.o.Keys.IdentityOf(ctx, who.KeyID)
		if errors.Is(err, access.ErrUnauthenticated) {
			return nil, nil //nolint:nilnil // A key that is gone is nobody.
		}
		return id, err
	}
	u, _, err := a.o.People.SessionUser(ctx, who.Session, a.o.Now())
	if errors.Is(err, access.ErrNoSession) {
		return nil, nil //nolint:nilnil // A session that is gone is nobody.
	}
	if err != nil {
		return nil, err
	}
	id := access.PersonIdentity(u)
	id.Session = who.Session
	return id, nil
}

// Again asks again who makes a request, and refuses it when they may not any more.
func (a *Auth) Again(c echo.Context, r Route) error {
	id, err := a.again(c.Request().Context(), Who(c))
	switch {
	case err != nil:
		return err
	case id == nil:
		return fmt.Errorf("%w: it ended while the request was on its way", access.ErrUnauthenticated)
	case !id.May(r.May) && !mayOwn(r, id):
		return access.Lacking(r.May)
	}
	c.Set(identityKey, id)
	return nil
}
