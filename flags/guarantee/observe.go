package guarantee

import (
	"context"
	"time"

	"tidemark/flags"
)

// Count is what an objective counted in one window.
type Count struct {
	Bad      int64
	Eligible int64 // 0: nothing is known
}

// State is what is known of a feature now.
type State struct {
	Heard    bool // some event of the feature was ever heard
	Replicas []ReplicaState
}

// ReplicaState is one replica of a feature.
type ReplicaState struct {
	Name     string
	Expected bool
	Silent   bool
	Last     time.Time     // when it was last heard; zero = never
	Backlog  int64         // unsatisfied writes; while silent, those that may or may not be there
	Age      time.Duration // of the oldest of them; 0 when there is none, or while silent
}

// Observer gives the numbers that promises are judged by. It is safe for
// concurrent use.
type Observer interface {
	// Count counts an objective over the window of that width which ends at now, or,
	// for objectives with a deadline, where writes have had their deadline to pass.
	Count(ctx context.Context, feature string, o *flags.Objective, window time.Duration, now time.Time) (Count, error)
	// State returns the replicas of a feature in order of name.
	State(ctx context.Context, feature string, now time.Time) (State, error)
	// Against counts hops of labelled writes by feature, in order of feature, over the
	// window of that width which ends at now. Features without any are left out.
	Against(ctx context.Context, window time.Duration, now time.Time) ([]Against, error)
}
