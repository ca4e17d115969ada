package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/cmd/internal/app"
	"tidemark/flags"
	control "tidemark/flags/sqlite"
	"tidemark/tests/plainsql"
)

// badInput is a request that must be answered as docs/evaluation.md says, and must
// change nothing.
type badInput struct {
	name   string // as the table in docs/evaluation.md has it
	first  func() // what somebody else does before it; counts as no change
	method string
	path   string
	body   string
	status int
	code   string // OFREP's error code, the problem document's, or why a pin is not taken
	say    string
}

// refused reads what any of the three forms of answer says.
type refused struct {
	ErrorCode, ErrorDetails string // OFREP
	Code, Detail            string // a problem document
	Metadata                struct {
		Pin      string
		Pinned   bool
		PinError string `json:"pin_error"`
	}
}

func (r *refused) code() string { return r.ErrorCode + r.Code + r.Metadata.PinError }

// sentence is what is said to a person. A pin that is not taken is no error: the session
// is a new one, with a pin that is good.
func (r *refused) sentence() string {
	if r.Metadata.PinError != "" && !r.Metadata.Pinned && r.Metadata.Pin != "" {
		return "answered as a new session, with a new pin and `pin_error`"
	}
	return r.ErrorDetails + r.Detail
}

// badSite is a server with a flag that a running rollout holds, and what it had before.
type badSite struct {
	*door

	clock     *clock
	dir       string
	operator  string
	second    string // another operator
	services  string
	held      flags.Rollout // it runs
	spare     flags.Rollout // a draft of the same flag
	user, pin string        // a unit with the candidate, and its pin
}

func openBadSite(t *testing.T) *badSite {
	t.Helper()
	s := &badSite{clock: &clock{}, dir: t.TempDir()}
	s.door = openIn(t, s.dir, app.Options{Now: s.clock.now})
	s.operator, s.second, s.services = s.namedKey("ann", "control", "read"), s.namedKey("bo", "control", "read"), s.namedKey("services", "evaluate")
	s.do(s.operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)
	s.do(s.operator, http.MethodPut, "/api/v1/cohorts/a", `{"reason":"try","definition":{"var":"x"}}`, http.StatusCreated, nil)
	s.do(s.operator, http.MethodPut, "/api/v1/cohorts/b", `{"reason":"try","definition":{"$ref":"a"}}`, http.StatusCreated, nil)
	s.held = s.begin(s.operator, cartPlan)
	s.do(s.operator, http.MethodPost, "/api/v1/rollouts", cartPlan, http.StatusCreated, &s.spare)
	for i := 0; s.pin == "" && i < 100; i++ {
		s.user = fmt.Sprint("user-", i)
		if got := s.ask(s.services, "cart-model", fmt.Sprintf(`{"targetingKey":%q}`, s.user), http.StatusOK); got.Variant == "new" {
			s.pin, _ = got.Metadata["pin"].(string)
		}
	}
	return s
}

// everything is what an operator could have changed: flags, cohorts, rollouts and the
// audit log, as they are stored and as they are answered.
func (s *badSite) everything() []string {
	s.t.Helper()
	stored, err := plainsql.Dump(s.t.Context(), filepath.Join(s.dir, control.FileName),
		// Written without being a change: use, and what the server notes by itself.
		"sessions.*", "flag_usage.*", "leases.*", "rollout_pins.*", "last_used", "seen_at", "done_at", "body")
	check(s.t, err)
	var list struct{ Items []flags.Rollout }
	s.do(s.operator, http.MethodGet, "/api/v1/rollouts", "", http.StatusOK, &list)
	for i := range list.Items { // What the controller measures meanwhile is nobody's change.
		r := &list.Items[i]
		r.Decision, r.Baked, r.Ran, r.Quiet, r.TickedAt, r.Intervals = flags.Decision{}, 0, 0, 0, time.Time{}, nil
	}
	rollouts, err := json.MarshalIndent(list, "", " ")
	check(s.t, err)
	answered := s.do(s.operator, http.MethodGet, "/api/v1/documents?format=yaml", "", http.StatusOK, nil) +
		s.do(s.operator, http.MethodGet, "/api/v1/audit?limit=500", "", http.StatusOK, nil) + string(rollouts)
	return strings.Split(stored+answered, "\n")
}

// badInputs is the list, in the order in which the documentation has it.
func badInputs(s *badSite) []badInput {
	const newSession = "answered as a new session, with a new pin and `pin_error`"
	const ofrep, flag = "/ofrep/v1/evaluate/flags/", "/api/v1/flags/cart-model"
	context := func(c string) string { return `{"context":` + c + `}` }
	definition := func(more string) string {
		return `{"base":1,"reason":"try","definition":{"state":"ENABLED","defaultVariant":"old","variants":{"old":{"model":"eventual"},"new":{"model":"causal"}}` + more + `}}`
	}
	pinned := func(pin string) string {
		return fmt.Sprintf(`{"context":{"targetingKey":%q,"tidemark.pin":%q}}`, s.user, pin)
	}
	at := len(s.pin) - 6
	forged := s.pin[:at] + map[bool]string{true: "B", false: "A"}[s.pin[at] == 'A'] + s.pin[at+1:]
	nested := strings.Repeat(`{"!":[`, 1000) + "true" + strings.Repeat("]}", 1000)
	return []badInput{
		{
			name:   "an unknown flag",
			method: "POST", path: ofrep + "nothing", body: context(`{"targetingKey":"u"}`),
			status: 404, code: "FLAG_NOT_FOUND", say: `flag "nothing" not found`,
		},
		{
			name:   "a targeting key of the wrong type",
			method: "POST", path: ofrep + "cart-model", body: context(`{"targetingKey":7}`),
			status: 400, code: "INVALID_CONTEXT", say: `context: targetingKey: want a string`,
		},
		{
			name:   "variants of different types",
			method: "PUT", path: flag, body: strings.Replace(definition(""), `{"model":"causal"}`, "7", 1),
			status: 400, code: "invalid", say: `$.flags.cart-model.variants.old: is an object where another variant is a number; all variants of a flag are of one type`,
		},
		{
			name:   "no targeting key where it decides",
			method: "POST", path: ofrep + "cart-model", body: context(`{"country":"se"}`),
			status: 400, code: "TARGETING_KEY_MISSING", say: `flag "cart-model" is being rolled out by …, which needs a targetingKey in the context`,
		},
		{
			name:   "a context that is no object",
			method: "POST", path: ofrep + "cart-model", body: context(`["u"]`),
			status: 400, code: "INVALID_CONTEXT", say: `context: want an object`,
		},
		{
			name:   "a body that is no JSON",
			method: "POST", path: ofrep + "cart-model", body: context(`{"targetingKey":`),
			status: 400, code: "PARSE_ERROR", say: `body: "}" at byte 27, where a value is wanted`,
		},
		{
			name:   "cohorts that go round in a circle",
			method: "PUT", path: "/api/v1/cohorts/a", body: `{"base":1,"reason":"try","definition":{"!":[{"$ref":"b"}]}}`,
			status: 400, code: "invalid", say: `$.$evaluators.b.$ref: goes round in a circle: a → b → a; a cohort cannot depend on itself`,
		},
		{
			name:   "weights that sum to nothing",
			method: "PUT", path: flag, body: definition(`,"targeting":{"fractional":[["old",0],["new",0]]}`),
			status: 400, code: "invalid", say: `$.flags.cart-model.targeting.fractional: has weights that sum to 0, so that nobody gets anything; at least one must be above 0`,
		},
		{
			name:   "weights that sum to too much",
			method: "PUT", path: flag, body: definition(`,"targeting":{"fractional":[["old",2147483647],["new",1]]}`),
			status: 400, code: "invalid", say: `$.flags.cart-model.targeting.fractional: has weights that sum to 2147483648; the sum may be at most 2147483647`,
		},
		{
			name:   "targeting nested 1,000 deep",
			method: "PUT", path: flag, body: definition(`,"targeting":{"if":[` + nested + `,"old"]}`),
			status: 400, code: "invalid", say: `$.flags.cart-model: is nested more than 100 deep; at most so much is allowed, and 64 within targeting`,
		},
		{
			name:   "a context of 10 MB",
			method: "POST", path: ofrep + "cart-model", body: context(`{"targetingKey":"u","a":"` + strings.Repeat("x", 10<<20) + `"}`),
			status: 400, code: "INVALID_CONTEXT", say: `body: larger than 262144 bytes`,
		},
		{
			name:   "a forged pin",
			method: "POST", path: ofrep + "cart-model", body: pinned(forged),
			status: 200, code: "forged", say: newSession,
		},
		{
			name:   "an expired pin",
			method: "POST", path: ofrep + "cart-model", body: pinned(s.pin),
			status: 200, code: "expired", say: newSession,
			first: func() { s.clock.ahead.Store(int64(25 * time.Hour)) },
		},
		{
			name:   "steps that go down",
			method: "POST", path: "/api/v1/rollouts", body: strings.Replace(cartPlan, `"percent":10000`, `"percent":100`, 1),
			status: 400, code: "invalid", say: `steps[1].percent: is 1% after 50%; each step reaches more than the one before`,
		},
		{
			name:   "a flag that somebody else changed first",
			method: "PUT", path: flag, body: definition(`,"targeting":{"if":[{"$ref":"a"},"new"]}`),
			status: 409, code: "changed", say: `Flag/cart-model: changed by someone else in the meantime: it is at revision 2 by key:bo:…, not 1 ("calls"); targeting is now {"if":[{"$ref":"b"},"new"]}`,
			first: func() {
				theirs := strings.Replace(definition(`,"targeting":{"if":[{"$ref":"b"},"new"]}`), `"try"`, `"calls"`, 1)
				s.do(s.second, http.MethodPut, flag, theirs, http.StatusOK, nil)
			},
		},
		{
			name:   "a rollout that somebody else acted on first",
			method: "POST", path: "/api/v1/rollouts/" + s.held.ID + "/advance", body: fmt.Sprintf(`{"reason":"go on","revision":%d}`, s.held.Revision),
			status: 409, code: "changed", say: `rollout …: changed by someone else in the meantime: it is at revision 3, not 2; pause by key:bo:… ("support calls")`,
			first: func() {
				s.do(s.second, http.MethodPost, "/api/v1/rollouts/"+s.held.ID+"/pause", `{"reason":"support calls"}`, http.StatusOK, nil)
			},
		},
		{
			name:   "an edit without a plan",
			method: "POST", path: "/api/v1/rollouts/" + s.spare.ID + "/edit", body: fmt.Sprintf(`{"reason":"go","revision":%d}`, s.spare.Revision),
			status: 400, code: "invalid", say: `invalid: command: "edit" is not known; allowed: approve, start, pause, resume, advance, revert, complete, break-pins, sign-off`,
		},
		{
			name:   "a rollout of a flag that another holds",
			method: "POST", path: "/api/v1/rollouts/" + s.spare.ID + "/start", body: fmt.Sprintf(`{"reason":"go","revision":%d}`, s.spare.Revision),
			status: 422, code: "refused", say: `refused: flag "cart-model" is held by rollout … ("Causal carts"); complete or revert that one first`,
		},
	}
}

// TestBadInputChangesNothing: each is answered with the status, the code and the
// sentence that docs/evaluation.md has, and the flags, the rollouts and the audit log
// stay as they were.
func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "evaluation.md"))
	check(t, err)
	s := openBadSite(t)
	for _, c := range badInputs(s) {
		if c.first != nil {
			c.first()
		}
		if row := fmt.Sprintf("| %s | %d | `%s` | %s |\n", c.name, c.status, c.code, c.say); !strings.Contains(string(raw), row) {
			t.Errorf("docs/evaluation.md has no row %s", row)
		}
		before := s.everything()
		var got refused
		told := s.do(s.asker(&c), c.method, c.path, c.body, c.status, &got)
		if got.code() != c.code || !says(got.sentence(), c.say) {
			t.Errorf("%s: %.900s; want %s: %s", c.name, told, c.code, c.say)
		}
		if diff := cmp.Diff(before, s.everything()); diff != "" {
			t.Errorf("%s: something changed (-before +after):\n%s", c.name, diff)
		}
	}
}

// asker is the key of whoever asks.
func (s *badSite) asker(c *badInput) string {
	if strings.HasPrefix(c.path, "/ofrep/") {
		return s.services
	}
	return s.operator
}

// says reports whether a text has the parts of a sentence between its "…", in order.
func says(text, sentence string) bool {
	for part := range strings.SplitSeq(sentence, "…") {
		_, rest, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = rest
	}
	return true
}

// TestTwoOperatorsAtOnce: of two changes that are asked for at the same moment, upon
// the same revision, one is made whole, and the other is told which.
func TestTwoOperatorsAtOnce(t *testing.T) {
	t.Parallel()
	s := openBadSite(t)
	const flag = `{"base":1,"reason":"by %[1]s","definition":{"state":"ENABLED","defaultVariant":"old","metadata":{"by":"%[1]s"},"variants":{"old":{"model":"eventual"},"new":{"model":"causal"}}}}`
	act := fmt.Sprintf(`{"reason":"by %%[1]s","revision":%d}`, s.held.Revision)
	path := "/api/v1/rollouts/" + s.held.ID
	for _, c := range []struct{ method, path, body, look string }{
		{http.MethodPut, "/api/v1/flags/cart-model", flag, "/api/v1/flags/cart-model"},
		{http.MethodPost, path + "/pause", act, path + "/history"},
	} {
		before := s.auditSize(s.operator)
		by := map[string]string{"ann": s.operator, "bo": s.second}
		status := map[string]int{}
		told := map[string]string{}
		var mu sync.Mutex
		var both sync.WaitGroup
		for name, key := range by {
			both.Go(func() {
				code, text, err := s.send(key, c.method, c.path, fmt.Sprintf(c.body, name))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				status[name], told[name] = code, text
			})
		}
		both.Wait()
		if t.Failed() {
			return
		}
		winner, loser := "ann", "bo"
		if status["bo"] == http.StatusOK {
			winner, loser = "bo", "ann"
		}
		if status[winner] != http.StatusOK || status[loser] != http.StatusConflict || !strings.Contains(told[loser], `by `+winner) {
			t.Errorf("%s: %s; %s", c.path, told[winner], told[loser])
		}
		if now := s.do(s.operator, http.MethodGet, c.look, "", http.StatusOK, nil); !strings.Contains(now, "by "+winner) || strings.Contains(now, "by "+loser) {
			t.Errorf("%s: %s was told that the change was made; it is %s", c.path, winner, now)
		}
		if n := s.auditSize(s.operator) - before; n != 1 {
			t.Errorf("%s: %d audit records; want the one of the change that was made", c.path, n)
		}
	}
}

// send is do without an opinion about the answer, for goroutines.
func (s *badSite) send(key, method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.app.URL()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
