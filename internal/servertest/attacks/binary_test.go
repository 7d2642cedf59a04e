package attacks_test

var binaries struct{ dir string }
