package web

import (
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/respond"
)

// places are those of requests that are being answered. Whoever holds one may take its
// time, so nobody can hold them all: who asks without an identity has few, all of those
// together half, one identity half, and the last are for who can control.
type places struct {
	most      int // in all
	kept      int // of them for those whom keeps names
	share     int // of one identity
	strangers int // of all who have none together
	address   int // of one address without an identity
	keeps     func(who *access.Identity) bool
	code      string // of the refusal when none is left

	mu     sync.Mutex
	used   int
	nobody int // without an identity
	// by identity or address. A holder without a place is kept for its next request
	// while there are few.
	by map[string]*holder
}

// holder is one identity, or one address without an identity.
type holder struct {
	name     string
	identity bool
	used     int
}

// keptShare is which part of the places is for who can control.
const keptShare = 16

// keptHolders is how many holders are remembered that hold nothing.
const keptHolders = 1000

func newPlaces(most, address int) *places {
	share := max(1, most/2)
	return &places{
		most: most, kept: most / keptShare, share: share, strangers: share, address: min(address, share), keeps: canControl, code: "busy",
		by: map[string]*holder{},
	}
}

// newStreams are the places of streams and of requests that wait, which are held for
// long: one identity has few of them, and the last are for those who fetch the flags or
// a backup. Without an identity come the browsers that are told of changed flags.
func newStreams(most, each int) *places {
	p := newPlaces(most, max(1, most/4))
	p.share, p.keeps, p.code = min(each, most), fetches, "too_many_streams"
	return p
}

// fetches reports whether somebody may have the flags as a whole, or a backup.
func fetches(who *access.Identity) bool { return who.May(access.Sync) || who.May(access.Admin) }

// take takes a place; nil says that it has to be given back, by put.
func (p *places) take(name string, who *access.Identity) (*holder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.by[name]
	if !ok {
		h = &holder{name: name, identity: who != nil}
	}
	own, most := p.share, p.most
	if !p.keeps(who) {
		most -= p.kept
	}
	if who == nil {
		own = p.address
	}
	switch {
	case h.used >= own:
		return nil, tooManyOwn(who, own)
	case p.used >= most, who == nil && p.nobody >= p.strangers:
		return nil, respond.New(http.StatusServiceUnavailable, p.code, "Too many requests are being answered (%d).", p.used).Later(time.Second)
	}
	if !ok {
		p.by[name] = h
	}
	h.used++
	p.used++
	if who == nil {
		p.nobody++
	}
	return h, nil
}

func tooManyOwn(who *access.Identity, n int) error {
	whose := "API key or person"
	if who == nil {
		whose = "address without an identity"
	}
	return respond.New(http.StatusTooManyRequests, "too_many_at_once", "Too many requests of this %s are being answered (%d).", whose, n).Later(time.Second)
}

// put gives a place back.
func (p *places) put(h *holder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.used--
	p.used--
	if !h.identity {
		p.nobody--
	}
	if h.used == 0 && len(p.by) > keptHolders {
		delete(p.by, h.name)
	}
}

// canControl reports whether somebody may control something: they must be able to on the
// worst day.
func canControl(who *access.Identity) bool {
	return who.May(access.Control) || who != nil && len(who.User.Features) > 0
}

// PlaceStream gives somebody a place of those of streams that is not a request of this
// server, until done. It counts as a request of theirs.
func (s *Server) PlaceStream(who *access.Identity) (done func(), err error) {
	if err := s.within(who, false); err != nil {
		return nil, err
	}
	h, err := s.streams.take(who.Actor(), who)
	if err != nil {
		return nil, err
	}
	return func() { s.streams.put(h) }, nil
}

// place gives a request one of the places in flight, or of the streams. What always has
// to be answered takes none.
func (s *Server) place(r auth.Route) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		if r.Always {
			return next
		}
		places := s.inFlight
		if r.Stream {
			places = s.streams
		}
		return func(c echo.Context) error {
			h, err := places.take(auth.Caller(c), auth.Who(c))
			if err != nil {
				return err
			}
			defer places.put(h)
			return next(c)
		}
	}
}
