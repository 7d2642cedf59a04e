package account

// FillExports occupies all concurrent exports, and returns the function that frees them.
func (s *Service) FillExports() (free func()) {
	for range maxConcurrentExports {
		s.exports <- struct{}{}
	}
	return func() {
		for range maxConcurrentExports {
			<-s.exports
		}
	}
}
