package app_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheTestsThatDocumentsNameExist: what is said to be tested is.
func TestTheTestsThatDocumentsNameExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	defined := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && (e.Name() == "node_modules" || e.Name() == ".git" || e.Name() == ".cache") {
			return fs.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(raw), -1) {
			defined[m[1]] = true
		}
		return err
	})
	check(t, err)
	named := 0
	for _, doc := range []string{"security.md", "operations.md"} {
		raw, err := os.ReadFile(filepath.Join(root, "docs", doc))
		check(t, err)
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(raw), -1) {
			named++
			if !defined[m[1]] {
				t.Errorf("%s names %s, which is no test", doc, m[1])
			}
		}
	}
	if named < 50 || len(defined) < 100 {
		t.Errorf("%d tests are named, %d defined: is this looking at the right place?", named, len(defined))
	}
}
