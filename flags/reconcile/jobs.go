package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/flags"
)

// Limits of replays.
const (
	MaxRunning = 2                // at a time
	MaxOwn     = 1                // of those, of one key or person
	KeepReplay = time.Hour        // a result, in memory
	maxKept    = 50               // results
	maxOwnKept = 10               // of those, of one key or person
	MaxReplay  = 10 * time.Minute // a replay that takes longer is given up
)

// Job is a replay that runs, or has run.
type Job struct {
	ID    string    `json:"id"`
	Rule  string    `json:"rule"`
	By    string    `json:"by"`
	Began time.Time `json:"began"`
	// Done and Of are how many conflicts were looked at; Of is 0 until that is known.
	Done  int  `json:"done"`
	Of    int  `json:"of"`
	Ended bool `json:"ended"`
	// Result is set when it ended well, else Error says why not.
	Result *Replay `json:"result,omitempty"`
	Error  string  `json:"error,omitempty"`

	// seen are the contents that it looked at, which who began it could see then.
	seen   map[string]seen
	cancel context.CancelFunc
	over   chan struct{}
}

// seen is what contents of a feature are labelled with.
type seen struct {
	feature string
	labels  []string
}

// watch notes what may permits a replay to look at.
func (s *Jobs) watch(j *Job, may May) May {
	if may == nil {
		return nil
	}
	j.seen = map[string]seen{}
	return func(feature string, labels []string) bool {
		if !may(feature, labels) {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		j.seen[feature+"\x00"+strings.Join(labels, "\x00")] = seen{feature, slices.Clone(labels)}
		return true
	}
}

// tells reports whether the result may be told to who may see that much now. The caller
// holds mu.
func (j *Job) tells(may May) bool {
	if may == nil {
		return true
	}
	for _, x := range j.seen {
		if !may(x.feature, x.labels) {
			return false
		}
	}
	return true
}

// Jobs runs replays beside requests and keeps their results for a while, in memory: a
// replay can always be made again.
type Jobs struct {
	judge *Judge
	run   context.Context // ends with the server
	now   func() time.Time
	mu    sync.Mutex
	jobs  map[string]*Job
	works sync.WaitGroup
}

// NewJobs returns a runner whose jobs end with ctx.
func NewJobs(ctx context.Context, judge *Judge, now func() time.Time) *Jobs {
	return &Jobs{judge: judge, run: ctx, now: now, jobs: map[string]*Job{}}
}

// Start begins a replay; flags.ErrRefused when MaxRunning run already, or MaxOwn of whose
// it is.
func (s *Jobs) Start(q ReplayQuery, by string) (Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	s.forgetOf(by)
	running, own := 0, 0
	for _, j := range s.jobs {
		running += truth(!j.Ended)
		own += truth(!j.Ended && j.By == by)
	}
	if own >= MaxOwn {
		return Job{}, fmt.Errorf("%w: a replay of yours is running, and one is the limit; wait for it to end, or stop it", flags.ErrRefused)
	}
	if running >= MaxRunning {
		return Job{}, fmt.Errorf("%w: %d replays are running, which is the limit; wait for one to end", flags.ErrRefused, running)
	}
	ctx, cancel := context.WithTimeout(s.run, MaxReplay)
	j := &Job{ID: rand.Text(), Rule: q.Name, By: by, Began: s.now(), cancel: cancel, over: make(chan struct{})}
	q.Of.May = s.watch(j, q.Of.May)
	s.jobs[j.ID] = j
	s.works.Go(func() { s.work(ctx, j, q) })
	return *j, nil
}

func (s *Jobs) work(ctx context.Context, j *Job, q ReplayQuery) {
	defer close(j.over)
	defer j.cancel()
	r, err := s.judge.Replay(ctx, q, func(done, of int) {
		s.mu.Lock()
		j.Done, j.Of = done, of
		s.mu.Unlock()
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	j.Ended, j.Result = true, r
	if err != nil {
		j.Error = err.Error()
		if ctx.Err() != nil {
			j.Error = "It was stopped, or took longer than " + MaxReplay.String() + "."
		}
		return
	}
	j.Done, j.Of = r.Conflicts, r.Conflicts
}

// find returns a job of who began it: what it tells is what they could see.
func (s *Jobs) find(id, by string) (*Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[id]
	if !ok || j.By != by {
		return nil, fmt.Errorf("replay %q: %w; results are kept for %s, for who began it", id, flags.ErrNotFound, KeepReplay)
	}
	return j, nil
}

// Get returns a job as it is now; flags.ErrNotFound when it is gone, another's, or made of
// what who asks may see no more. It waits for its end, but no longer than that.
func (s *Jobs) Get(ctx context.Context, id, by string, may May, wait time.Duration) (Job, error) {
	j, err := s.find(id, by)
	if err != nil {
		return Job{}, err
	}
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-j.over:
		case <-t.C:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !j.tells(may) {
		return Job{}, fmt.Errorf("replay %q: %w; it looked at contents that you may not see any more, so begin it again", id, flags.ErrNotFound)
	}
	return *j, nil
}

// Of returns somebody's jobs of a rule that Get returns, newest first.
func (s *Jobs) Of(rule, by string, may May) []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	var out []Job
	for _, j := range s.jobs {
		if j.Rule == rule && j.By == by && j.tells(may) {
			out = append(out, *j)
		}
	}
	slices.SortFunc(out, func(a, b Job) int { return b.Began.Compare(a.Began) })
	return out
}

// Stop gives somebody's job up.
func (s *Jobs) Stop(id, by string) error {
	j, err := s.find(id, by)
	if err != nil {
		return err
	}
	j.cancel()
	return nil
}

// Wait returns when no job runs. Whoever wants that soon ends the context first.
func (s *Jobs) Wait() { s.works.Wait() }

// forgetOf makes room for one more result of somebody, by their oldest ones.
func (s *Jobs) forgetOf(by string) {
	for {
		oldest, own := s.oldest(func(j *Job) bool { return j.By == by })
		if own < maxOwnKept || oldest == nil {
			return
		}
		delete(s.jobs, oldest.ID)
	}
}

// oldest returns the result that is the oldest of some jobs, nil when none has ended, and
// how many they are.
func (s *Jobs) oldest(of func(*Job) bool) (oldest *Job, n int) {
	for _, j := range s.jobs {
		if !of(j) {
			continue
		}
		n++
		if j.Ended && (oldest == nil || j.Began.Before(oldest.Began)) {
			oldest = j
		}
	}
	return oldest, n
}

// forget drops results that are old, and the oldest ones when there are too many.
func (s *Jobs) forget() {
	for {
		oldest, _ := s.oldest(func(*Job) bool { return true })
		if oldest == nil || len(s.jobs) < maxKept && s.now().Sub(oldest.Began) < KeepReplay {
			return
		}
		delete(s.jobs, oldest.ID)
	}
}
