package simulate

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// ErrScenario is wrapped by every error about a scenario that cannot be run.
var ErrScenario = errors.New("bad scenario")

// Legs are the latencies of the four messages of WARS: a write, its
// acknowledgement, a read, its response.
type Legs struct{ W, A, R, S Dist }

// Quorum is a partial quorum in the sense of PBS: N replicas, of which a write
// waits for W and a read for R.
type Quorum struct {
	N, R, W int
	Legs    Legs
	// Centres is the number of data centres over which the replicas are spread in
	// turn; the writer's and the reader's are picked independently. 0 or 1 is one.
	Centres int
	// Between is added to each message from one data centre to another.
	Between time.Duration
}

// Trial is one write followed by one read of the same key.
type Trial struct {
	Write, Read time.Duration // latency seen by the client
	// Stale is how long after the write's commit a read must begin so that it
	// returns the write; 0 when a read begun at once returns it.
	Stale time.Duration
}

// Check says whether the quorum is possible.
func (q Quorum) Check() error {
	if q.N < 1 || q.N > maxPlaces || q.R < 1 || q.R > q.N || q.W < 1 || q.W > q.N {
		return fmt.Errorf("%w: quorum N=%d R=%d W=%d: want 1 ≤ N ≤ %d, 1 ≤ R ≤ N and 1 ≤ W ≤ N",
			ErrScenario, q.N, q.R, q.W, maxPlaces)
	}
	return nil
}

// Trials draws n trials with a seed.
func (q Quorum) Trials(seed uint64, n int) ([]Trial, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]Trial, n)
	legs := make([]drawnLegs, q.N)
	for i := range out {
		out[i] = q.trial(r, legs)
	}
	return out, nil
}

type drawnLegs struct{ w, a, r, s time.Duration }

func (q Quorum) trial(r *rand.Rand, legs []drawnLegs) Trial {
	centres := max(q.Centres, 1)
	writer, reader := r.IntN(centres), r.IntN(centres)
	for i := range legs {
		l := &legs[i]
		l.w, l.a = q.Legs.W.Draw(r), q.Legs.A.Draw(r)
		l.r, l.s = q.Legs.R.Draw(r), q.Legs.S.Draw(r)
		if i%centres != writer {
			l.w, l.a = l.w+q.Between, l.a+q.Between
		}
		if i%centres != reader {
			l.r, l.s = l.r+q.Between, l.s+q.Between
		}
	}
	slices.SortFunc(legs, func(x, y drawnLegs) int { return cmp.Compare(x.w+x.a, y.w+y.a) })
	write := legs[q.W-1].w + legs[q.W-1].a
	slices.SortFunc(legs, func(x, y drawnLegs) int { return cmp.Compare(x.r+x.s, y.r+y.s) })
	read := legs[q.R-1].r + legs[q.R-1].s
	stale := legs[0].w - write - legs[0].r
	for _, l := range legs[1:q.R] {
		stale = min(stale, l.w-write-l.r)
	}
	return Trial{Write: write, Read: read, Stale: max(stale, 0)}
}
