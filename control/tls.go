package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 397 * 24 * time.Hour // the longest that browsers and Apple's clients accept
	renewAhead = 30 * 24 * time.Hour
)

// serverTLS gives the server's certificate: the operator's files, or one of an authority made in the data directory (ca.pem, which clients
// trust) for loopback and the extra names. It is renewed at a start less than a month before it ends, or when the names changed.
func serverTLS(c Config, now time.Time) (*tls.Config, error) {
	cert, key := c.CertFile, c.KeyFile
	if cert == "" {
		cert, key = filepath.Join(c.DataDir, "server.pem"), filepath.Join(c.DataDir, "server-key.pem")
		if err := ensureServerCert(c.DataDir, cert, key, c.Names, now); err != nil {
			return nil, fmt.Errorf("make server certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("load server certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

func ensureServerCert(dir, certFile, keyFile string, extra []string, now time.Time) error {
	ca, caKey, err := ensureCA(dir, now)
	if err != nil {
		return err
	}
	names := append([]string{"localhost", "127.0.0.1", "::1"}, extra...)
	if old, _, err := loadCert(certFile, keyFile); err == nil && stillGood(old, ca, names, now) {
		return nil
	}
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: "onramp"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return writeCert(certFile, keyFile, t, ca, caKey)
}

func stillGood(cert, ca *x509.Certificate, names []string, now time.Time) bool {
	return cert.CheckSignatureFrom(ca) == nil && now.Add(renewAhead).Before(cert.NotAfter) &&
		!slices.ContainsFunc(names, func(n string) bool { return cert.VerifyHostname(n) != nil })
}

func ensureCA(dir string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	ca, key, err := loadCert(certFile, keyFile)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return ca, key, err
	}
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: "onramp " + filepath.Base(dir), Organization: []string{"onramp"}}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(caLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	if err := writeCert(certFile, keyFile, t, nil, nil); err != nil {
		return nil, nil, err
	}
	return loadCert(certFile, keyFile)
}

// writeCert makes a key and its certificate, signed by the authority, or by itself when that is nil. The key is written first and both are
// renamed into place, so that a crash leaves no certificate without its key.
func writeCert(certFile, keyFile string, t, ca *x509.Certificate, caKey *ecdsa.PrivateKey) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	if ca == nil {
		ca, caKey = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return writeFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func loadCert(certFile, keyFile string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s: not an ECDSA key", keyFile)
	}
	return pair.Leaf, key, nil
}

// writeFile replaces a file as a whole: a reader sees the old one or the new one.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	if err := os.Chmod(tmp, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
