package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"tidemark/cmd/internal/app"
)

// scraped is what /metrics shows: the labels of each series name.
type scraped map[string]map[string]bool

var (
	sample   = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? \S+$`)
	label    = regexp.MustCompile(`([a-z_]+)="`)
	series   = regexp.MustCompile(`\b(?:tidemark|process|go)_[a-z_]+`)
	selector = regexp.MustCompile(`\b((?:tidemark|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

func scrape(text string) scraped {
	out := scraped{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		if out[m[1]] == nil {
			out[m[1]] = map[string]bool{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			out[m[1]][l[1]] = true
		}
	}
	return out
}

// check says what a query asks for that /metrics does not show. job and instance are
// labels that Prometheus adds.
func (s scraped) check(query string) (wrong []string) {
	added := []string{"job", "instance"}
	known := map[string]bool{}
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		labels, ok := s[m[1]]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s is not shown", m[1]))
			continue
		}
		for l := range labels {
			known[l] = true
		}
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !labels[l[1]] && !slices.Contains(added, l[1]) {
				wrong = append(wrong, fmt.Sprintf("%s has no label %q", m[1], l[1]))
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(query, -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); !known[l] && !slices.Contains(added, l) {
				wrong = append(wrong, fmt.Sprintf("nothing in it has the label %q", l))
			}
		}
	}
	return wrong
}

// scrapeBusyServer is what a server shows that has taken, refused and stored events.
func scrapeBusyServer(t *testing.T) scraped {
	t.Helper()
	d := openWith(t, app.Options{Limits: often()})
	k := d.namedKey("all", "publish:*", "read")
	d.do(d.key("control"), "PUT", "/api/v1/labels/pii", `{"definition":{"services":[]},"reason":"shown"}`, 201, nil)
	d.post(k, "/v1/events", event("visible", "w2", "cart", `,"replica":"eu","labels":["pii"]`), "Content-Type: application/x-ndjson")
	d.untilSays(k, "/metrics", "tidemark_policy_hops_against", true)
	if w := d.post(k, "/v1/events", event("initiated", "w1", "cart", ""), "Content-Type: application/x-ndjson"); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	d.post(k, "/v1/events", `{"kind":"no such kind","feature":"cart"}`, "Content-Type: application/x-ndjson")
	d.post(d.namedKey("stranger", "publish:profile"), "/v1/events", event("initiated", "w2", "cart", ""), "Content-Type: application/x-ndjson")
	w := d.get(k, "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: %d", w.Code)
	}
	return scrape(w.Body.String())
}

func TestTheDashboardAsksForWhatIsShown(t *testing.T) {
	t.Parallel()
	shown := scrapeBusyServer(t)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Query any }
		}
	}
	raw, err := os.ReadFile("../../../docs/grafana/tidemark.json")
	check(t, err)
	check(t, json.Unmarshal(raw, &board))
	asked := map[string]bool{}
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			for _, wrong := range shown.check(q.Expr) {
				t.Errorf("panel %q: %s: %s", p.Title, q.Expr, wrong)
			}
			for _, l := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if !strings.Contains(q.Expr, l[1]) {
					t.Errorf("panel %q: its legend has %s, its query has not", p.Title, l[1])
				}
			}
			for _, name := range series.FindAllString(q.Expr, -1) {
				asked[base(name)] = true
			}
		}
	}
	if len(asked) < 20 {
		t.Errorf("the dashboard asks for %d series: is it all there?", len(asked))
	}
	for name := range shown {
		if strings.HasPrefix(name, "tidemark_") && !asked[base(name)] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	for _, v := range board.Templating.List {
		for _, wrong := range shown.check(fmt.Sprint(v.Query)) {
			t.Errorf("variable %v: %s", v.Query, wrong)
		}
	}
}

// base is the name of a histogram that a series belongs to.
func base(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			return rest
		}
	}
	return name
}

func TestTheAlertsAskForWhatIsShown(t *testing.T) {
	t.Parallel()
	shown := scrapeBusyServer(t)
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	raw, err := os.ReadFile("../../../docs/grafana/alerts.yaml")
	check(t, err)
	check(t, yaml.Unmarshal(raw, &file))
	docs, err := os.ReadFile("../../../docs/operations.md")
	check(t, err)
	rules := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules++
			for _, wrong := range shown.check(r.Expr) {
				t.Errorf("%s: %s: %s", r.Alert, r.Expr, wrong)
			}
			if r.For != "" {
				_, err := time.ParseDuration(r.For)
				check(t, err)
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s: a severity and a summary are wanted", r.Alert)
			}
			if !strings.Contains(string(docs), "`"+r.Alert+"`") {
				t.Errorf("operations.md does not say what to do about %s", r.Alert)
			}
		}
	}
	if rules == 0 {
		t.Error("there is no rule")
	}
	for _, m := range regexp.MustCompile("`([^`]*tidemark_[^`]*)`").FindAllStringSubmatch(string(docs), -1) {
		for _, wrong := range shown.check(m[1]) {
			t.Errorf("operations.md: %s: %s", m[1], wrong)
		}
	}
}
