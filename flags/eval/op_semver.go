package eval

import (
	"strings"

	"golang.org/x/mod/semver"
)

// opSemVer is {"sem_ver": [VERSION, OPERATOR, VERSION]}; null when a version is none.
func opSemVer(e *env, at *scope, args []node) (any, error) {
	vs, err := values(e, at, args)
	if err != nil {
		return nil, err
	}
	a, okA := version(vs[0])
	b, okB := version(vs[2])
	operator, isText := vs[1].(string)
	if !okA || !okB || !isText {
		return nil, nil
	}
	return compareVersions(a, operator, b), nil
}

func compareVersions(a, operator, b string) any {
	c := semver.Compare(a, b)
	switch operator {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">=":
		return c >= 0
	case ">":
		return c > 0
	case "^":
		return semver.Major(a) == semver.Major(b)
	case "~":
		return semver.MajorMinor(a) == semver.MajorMinor(b)
	}
	return nil
}

// version returns v as x/mod/semver writes versions. A leading v is dropped, and 1 and
// 1.2 are 1.0.0 and 1.2.0.
func version(v any) (string, bool) {
	s := strings.TrimSpace(textOrNull(v))
	if s != "" && (s[0] == 'v' || s[0] == 'V') {
		s = s[1:]
	}
	s = "v" + s
	if !semver.IsValid(s) || len(s) > 256 {
		return "", false
	}
	core := s
	if i := strings.IndexAny(s, "-+"); i >= 0 {
		core = s[:i]
	}
	if strings.Count(core, ".") < 2 && core != s {
		return "", false
	}
	return s, true
}
