package resource

import "strings"

// CheckName checks the name of a resource, a child or a group by the rule of its kind. target is the field to blame, "name" for a resource's own.
func CheckName(kind Kind, name, target string) error {
	limit := 80
	if kind == KindNetwork {
		limit = 64
	}
	if kind == KindGroup {
		return checkGroupName(name, target)
	}
	switch {
	case name == "":
		return refuse(Invalid, CodeInvalidName, target, "the name is empty")
	case len(name) > limit:
		return refuse(Invalid, CodeInvalidName, target, "the name has %d characters, at most %d are allowed", len(name), limit)
	case !validName(name):
		return refuse(Invalid, CodeInvalidName, target, "the name %q is not of letters, digits, '_', '.' and '-', beginning with a letter or "+
			"digit and ending with a letter, digit or '_'", name)
	}
	return nil
}

func checkGroupName(name, target string) error {
	switch {
	case name == "":
		return refuse(Invalid, CodeInvalidName, target, "the name is empty")
	case len(name) > 90:
		return refuse(Invalid, CodeInvalidName, target, "the name has %d characters, at most 90 are allowed", len(name))
	case strings.HasSuffix(name, "."):
		return refuse(Invalid, CodeInvalidName, target, "the name %q ends with a period", name)
	case strings.IndexFunc(name, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("_.-()", r) }) >= 0:
		return refuse(Invalid, CodeInvalidName, target, "the name %q is not of letters, digits, '_', '.', '-', '(' and ')'", name)
	}
	return nil
}

func validName(name string) bool {
	last := rune(name[len(name)-1])
	if !isWord(rune(name[0])) || !isWord(last) && last != '_' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("_.-", r) }) < 0
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
