package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// configFlag is the path of a YAML file of settings. Its keys are the names of
// flags, with '_' or '-', and may be nested by prefix (log: {level: debug}).
type configFlag string

// BeforeResolve puts the file between the environment and the defaults.
func (f configFlag) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFlag))
	if path == "" {
		return nil
	}
	raw, err := os.ReadFile(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n") // The rest draws the file.
		return fmt.Errorf("config %s: not a YAML mapping: %s", path, line)
	}
	known := map[string]bool{}
	collectFlags(known, k.Model.Node)
	values := map[string]any{}
	flatten(values, "", tree, known)
	r := fileResolver{path: path, values: values}
	if err := r.Validate(k.Model); err != nil {
		return err
	}
	ctx.AddResolver(r)
	return nil
}

// flatten turns {log: {level: x}} into {"log-level": x}; what is a flag itself, such
// as a mapping, stays whole.
func flatten(out map[string]any, prefix string, tree map[string]any, known map[string]bool) {
	for k, v := range tree {
		name := prefix + strings.ReplaceAll(k, "_", "-")
		if sub, ok := v.(map[string]any); ok && !known[name] {
			flatten(out, name+"-", sub, known)
			continue
		}
		out[name] = v
	}
}

// fileResolver answers flags from the file.
type fileResolver struct {
	path   string
	values map[string]any
}

// Validate refuses keys that are no flag of any verb: a misspelt setting must not
// be ignored in silence.
func (r fileResolver) Validate(app *kong.Application) error {
	known := map[string]bool{}
	collectFlags(known, app.Node)
	var unknown []string
	for name := range r.values {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("config %s: unknown setting %q; see tidemark serve --help", r.path, strings.ReplaceAll(unknown[0], "-", "_"))
}

func collectFlags(known map[string]bool, n *kong.Node) {
	for _, f := range n.Flags {
		known[f.Name] = true
	}
	for _, c := range n.Children {
		collectFlags(known, c)
	}
}

// Resolve gives way to the environment: kong has applied it before resolvers run.
func (r fileResolver) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	v, ok := r.values[flag.Name]
	if !ok {
		return nil, nil
	}
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = fmt.Sprint(p)
		}
		return strings.Join(parts, ","), nil
	case map[string]any:
		parts := make([]string, 0, len(v))
		for k, p := range v {
			parts = append(parts, k+"="+fmt.Sprint(p))
		}
		slices.Sort(parts)
		return strings.Join(parts, ";"), nil
	}
	return fmt.Sprint(v), nil
}
