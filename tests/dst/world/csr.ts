/** A certificate request for a P-256 key that nobody has any more, base64 of DER: made with OpenSSL. */
export const CSR =
  'MIHFMG4CAQAwDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBX71XYZayroFqd0E9DeQqtj7IZwU8D0hsCBhd6EvJmDgkgNP7gomgAvvlDQoCRyMJmnuAzqB8kzsEG/8boDFzegADAKBggqhkjOPQQDAgNHADBEAiABOtOoktMEL6DWBVhFKzVmRxdC0nWADkyZ+jakrq+XRwIgZZ51F9xirIUV75PXiY3jU6IY2h3St0gO81kUq+G0V9A=';
