package sync

import (
	"net/http"
	gosync "sync"
	"time"

	syncv1 "buf.build/gen/go/open-feature/flagd/protocolbuffers/go/flagd/sync/v1"

	"tidemark/flags/access"
	"tidemark/flags/eval"
	"tidemark/flags/provider/snapshot"
	"tidemark/web/auth"
)

// Flags is where the flags come from.
type Flags interface {
	// Set returns the flags that are in force. It is cheap.
	Set() *eval.Set
	// Changed is closed when the next Set is in force. Ask for it before Set, so that
	// no change is missed.
	Changed() <-chan struct{}
}

// Options are what a Server needs.
type Options struct {
	Flags Flags
	Now   func() time.Time // default time.Now
	// Keys identifies who asks over gRPC; over HTTP that is the server's own business.
	Keys *access.Keyring
	// Failures limits attempts with a wrong key, by address; nil does not.
	Failures *auth.Limiter
	// Place gives who asks over gRPC a place among all streams, until done, within the
	// rate of their key; over HTTP that is the server's own business.
	Place func(who *access.Identity) (done func(), err error)
	// PinKey signs pins; evaluators elsewhere need it to give and check them.
	PinKey []byte
	// Done is closed when the server stops: streams end.
	Done <-chan struct{}
}

// Server hands out the flags. What is handed out is written once for each change,
// however many there are who take it.
type Server struct {
	o Options

	mu   gosync.Mutex
	last *edition
}

// edition is one state of the flags in every form in which it is handed out. The forms are
// as they are sent: however many take them, and however slowly, they hold no copies.
type edition struct {
	hash     string
	flagd    []byte // flagd's JSON
	native   string // a snapshot.Snapshot, JSON
	metadata map[string]any

	sync *syncv1.SyncFlagsResponse
	all  *syncv1.FetchAllFlagsResponse
	wire []byte // of both
}

// New returns a Server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{o: o}
}

// Routes is the URL map.
func (s *Server) Routes() []auth.Route {
	return []auth.Route{
		{Method: http.MethodGet, Path: "/flagd/flags.json", May: access.Sync, Handle: s.getFlagd},
		{Method: http.MethodGet, Path: snapshot.Path, May: access.Sync, Handle: s.streamSnapshots, Stream: true},
	}
}

// edition returns what is in force now.
func (s *Server) edition() (*edition, error) {
	set := s.o.Flags.Set()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && s.last.hash == set.Hash() {
		return s.last, nil
	}
	d := set.Definition()
	flagd, err := set.Flagd()
	if err != nil {
		return nil, err
	}
	native, err := snapshot.Encode(set.Hash(), d, s.o.PinKey)
	if err != nil {
		return nil, err
	}
	e := &edition{hash: set.Hash(), flagd: flagd, native: string(native), metadata: d.Metadata}
	if err := e.encode(); err != nil {
		return nil, err
	}
	s.last = e
	return e, nil
}
