// Package check holds the tests about the repository itself: the import table, package comments, size budgets, formatting, generated
// files, drop reasons, lab files. It has no code of its own to import.
//
// In:  the tree's source files. Out: test failures that name the file, the rule and its reason.
package check
