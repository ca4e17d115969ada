package guarantee

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidemark/flags"
	"tidemark/metrics"
)

// Encode writes a document as canonical YAML: fixed order of fields, defaults that
// carry meaning written out, empty fields left out. Equal documents have equal
// bytes, and Parse reads back what Encode wrote of a valid document.
func Encode(d *flags.Document) []byte {
	var y yamlWriter
	y.pair(0, "apiVersion", flags.APIVersion)
	y.pair(0, "kind", string(d.Kind))
	y.open(0, "metadata")
	switch {
	case d.Guarantee != nil:
		y.metadata(d.Guarantee.Name, d.Guarantee.Labels)
		y.open(0, "spec")
		y.guarantee(d.Guarantee)
	case d.Route != nil:
		y.metadata(d.Route.Name, d.Route.Labels)
		y.open(0, "spec")
		y.route(d.Route)
	}
	return y.Bytes()
}

// EncodeAll writes documents into one file, divided by "---".
func EncodeAll(ds []flags.Document) []byte {
	var parts [][]byte
	for i := range ds {
		parts = append(parts, Encode(&ds[i]))
	}
	return bytes.Join(parts, []byte("---\n"))
}

// Hash is the SHA-256 of a document's canonical YAML, in hex.
func Hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// yamlWriter writes the small part of YAML that documents need. Text that a YAML
// reader could take for anything but text is quoted as in JSON.
type yamlWriter struct{ bytes.Buffer }

func (y *yamlWriter) indent(n int) { y.WriteString(strings.Repeat("  ", n)) }

func (y *yamlWriter) raw(level int, key, value string) {
	y.indent(level)
	y.WriteString(key + ": " + value + "\n")
}

func (y *yamlWriter) open(level int, key string) {
	y.indent(level)
	y.WriteString(key + ":\n")
}

// pair writes a text field, unless it is empty.
func (y *yamlWriter) pair(level int, key, value string) {
	if value != "" {
		y.raw(level, key, scalar(value))
	}
}

func (y *yamlWriter) duration(level int, key string, d time.Duration) {
	if d != 0 {
		y.raw(level, key, flags.FormatDuration(d))
	}
}

var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

// YAMLText writes text so that a YAML reader takes it for that text.
func YAMLText(s string) string { return scalar(s) }

// scalar writes text so that it reads back as that text.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return quote(s)
	}
	if plainText.MatchString(s) {
		return s
	}
	return quote(s)
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always encodes
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (y *yamlWriter) metadata(name string, labels map[string]string) {
	y.raw(1, "name", scalar(name))
	if len(labels) == 0 {
		return
	}
	y.open(1, "labels")
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		y.raw(2, scalar(k), scalar(labels[k]))
	}
}

func (y *yamlWriter) guarantee(g *flags.Guarantee) {
	y.raw(1, "version", g.Version)
	y.pair(1, "status", string(g.Status))
	y.pair(1, "feature", g.Feature)
	y.pair(1, "story", g.Story)
	y.pair(1, "owner", g.Owner)
	y.pair(1, "model", string(g.Model))
	y.pair(1, "mechanism", g.Mechanism)
	y.replicas(g.Replicas)
	if r := g.Reconciliation; r != nil {
		y.open(1, "reconciliation")
		y.pair(2, "rule", r.Rule)
		y.raw(2, "version", strconv.Itoa(r.Version))
	}
	y.open(1, "objectives")
	for i := range g.Objectives {
		y.objective(&g.Objectives[i])
	}
	y.pair(1, "flag", g.Flag)
	y.conditions(g)
}

func (y *yamlWriter) conditions(g *flags.Guarantee) {
	if a := g.Acceptance; a != nil {
		y.open(1, "acceptance")
		y.raw(2, "min_units", strconv.Itoa(a.MinUnits))
		y.duration(2, "bake", a.Bake)
		y.raw(2, "margin", number(a.Margin))
	}
	if r := g.Rollback; r != nil {
		y.block(1, "rollback", [][2]string{{"drain", r.Drain}, {"deadline", r.Deadline}})
	}
	if r := g.Review; r != nil {
		y.block(1, "review", [][2]string{{"every", flags.FormatDuration(r.Every)}, {"decision", r.Decision}})
	}
}

// block writes a mapping whose fields may all be empty.
func (y *yamlWriter) block(level int, key string, pairs [][2]string) {
	if !slices.ContainsFunc(pairs, func(p [2]string) bool { return p[1] != "" }) {
		y.raw(level, key, "{}")
		return
	}
	y.open(level, key)
	for _, p := range pairs {
		if key == "review" && p[0] == "every" {
			y.raw(level+1, p[0], p[1])
			continue
		}
		y.pair(level+1, p[0], p[1])
	}
}

func (y *yamlWriter) route(r *flags.Route) {
	y.raw(1, "version", r.Version)
	y.pair(1, "status", string(r.Status))
	y.pair(1, "feature", r.Feature)
	y.pair(1, "owner", r.Owner)
	y.pair(1, "description", r.Description)
	y.replicas(r.Replicas)
}

func (y *yamlWriter) replicas(rs []flags.Replica) {
	if len(rs) == 0 {
		return
	}
	y.open(1, "replicas")
	for _, r := range rs {
		kind := "op"
		if r.Kind == metrics.StateBased {
			kind = "state"
		}
		line := "{name: " + scalar(r.Name) + ", kind: " + kind
		if r.Silence != 0 {
			line += ", silence: " + flags.FormatDuration(r.Silence)
		}
		y.item(line + "}")
	}
}

func (y *yamlWriter) item(s string) {
	y.indent(2)
	y.WriteString("- " + s + "\n")
}

func (y *yamlWriter) objective(o *flags.Objective) {
	parts := []string{"sli: " + string(o.SLI)}
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+": "+value)
		}
	}
	add("of", o.Of)
	add("scope", o.Scope)
	if o.Replica != "" {
		add("replica", scalar(o.Replica))
	}
	if o.Within > 0 {
		add("within", flags.FormatDuration(o.Within))
	}
	add("op", string(o.Op))
	if o.IsDuration() {
		add("value", flags.FormatDuration(time.Duration(o.Value)))
	} else {
		add("value", number(o.Value))
	}
	if o.Target != 0 {
		add("target", number(o.Target))
	}
	if o.Window != 0 {
		add("window", flags.FormatDuration(o.Window))
	}
	y.item("{" + strings.Join(parts, ", ") + "}")
}
