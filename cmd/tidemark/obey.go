package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"tidemark/metrics/simulate"
)

const (
	// evaluateTimeout is how long a simulated program waits for its flag before it goes
	// on with the default in its code.
	evaluateTimeout = 2 * time.Second
	// reuseFor is how long an answer that depends on nobody (STATIC) is used again.
	reuseFor = 250 * time.Millisecond
	// maxEvaluation is what is read of an answer.
	maxEvaluation = 1 << 20
)

// obedience evaluates flags for simulated units over OFREP, as real programs do: each
// question carries the pin of the session's last answer.
type obedience struct {
	ctx    context.Context
	url    string
	key    string
	now    func() time.Time
	client *http.Client

	mu     sync.Mutex
	static map[string]keptAnswer // by flag
	asked  int
	failed int
	first  error // of those that failed
}

type keptAnswer struct {
	answer simulate.Answer
	until  time.Time
}

func newObedience(e *env, url, key string) *obedience {
	return &obedience{
		ctx: e.ctx, url: strings.TrimSuffix(url, "/"), key: key, now: e.now,
		client: &http.Client{Timeout: evaluateTimeout}, static: map[string]keptAnswer{},
	}
}

// ask implements simulate.Ask. Without an answer the unit gets the default in its code.
func (o *obedience) ask(q simulate.Question) simulate.Answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	if kept, ok := o.static[q.Flag]; ok && q.Pin == "" && o.now().Before(kept.until) {
		return kept.answer
	}
	o.asked++
	a, static, err := o.evaluate(q)
	if err != nil {
		o.failed++
		if o.first == nil {
			o.first = err
		}
		return simulate.Answer{}
	}
	if static {
		o.static[q.Flag] = keptAnswer{a, o.now().Add(reuseFor)}
	}
	return a
}

// evaluate asks for one flag. static is true where the answer depends on nobody.
func (o *obedience) evaluate(q simulate.Question) (a simulate.Answer, static bool, err error) {
	about := map[string]string{"targetingKey": q.Unit, "session": q.Session, "feature": q.Feature}
	if q.Pin != "" {
		about["tidemark.pin"] = q.Pin
	}
	body, err := json.Marshal(map[string]any{"context": about})
	if err != nil {
		return a, false, fmt.Errorf("evaluate %s: %w", q.Flag, err)
	}
	req, err := http.NewRequestWithContext(o.ctx, http.MethodPost, o.url+"/ofrep/v1/evaluate/flags/"+url.PathEscape(q.Flag), bytes.NewReader(body))
	if err != nil {
		return a, false, fmt.Errorf("evaluate %s: %w", q.Flag, err)
	}
	req.Header.Set("Authorization", "Bearer "+o.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := o.client.Do(req)
	if err != nil {
		return a, false, fmt.Errorf("evaluate %s: %w", q.Flag, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxEvaluation))
	if err != nil {
		return a, false, fmt.Errorf("evaluate %s: %w", q.Flag, err)
	}
	return readEvaluation(q.Flag, resp.StatusCode, raw)
}

// readEvaluation takes from an answer what a simulated unit needs.
func readEvaluation(flag string, status int, raw []byte) (a simulate.Answer, static bool, err error) {
	var got struct {
		Variant      string          `json:"variant"`
		Reason       string          `json:"reason"`
		Value        json.RawMessage `json:"value"`
		ErrorCode    string          `json:"errorCode"`
		ErrorDetails string          `json:"errorDetails"`
		Detail       string          `json:"detail"`
		Metadata     struct {
			Arm     string `json:"arm"`
			Rollout string `json:"rollout"`
			Pin     string `json:"pin"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		return a, false, fmt.Errorf("evaluate %s: the answer with status %d is not what was expected: %w", flag, status, err)
	}
	if status != http.StatusOK {
		return a, false, fmt.Errorf("evaluate %s: the server says %d %s %s", flag, status, got.ErrorCode, got.ErrorDetails+got.Detail)
	}
	a = simulate.Answer{Variant: got.Variant, Arm: got.Metadata.Arm, Rollout: got.Metadata.Rollout, Pin: got.Metadata.Pin}
	var value struct {
		Model string `json:"model"`
	}
	if json.Unmarshal(got.Value, &value) == nil { // A value that is no object names no model.
		a.Model = value.Model
	}
	return a, got.Reason == "STATIC" && a.Pin == "", nil
}

// report says how evaluating went.
func (o *obedience) report() (asked, failed int, first error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked, o.failed, o.first
}

// obeying makes the users of a scenario ask the server for a flag: those of the features
// that have one, or of all features where none has.
func obeying(sc simulate.Scenario, flag string, ask simulate.Ask) simulate.Scenario {
	sc.Ask = ask
	sc.Features = append([]simulate.Feature{}, sc.Features...)
	some := false
	for i := range sc.Features {
		some = some || sc.Features[i].Flag != ""
	}
	for i := range sc.Features {
		if !some || sc.Features[i].Flag != "" {
			sc.Features[i].Flag = flag
		}
	}
	return sc
}
