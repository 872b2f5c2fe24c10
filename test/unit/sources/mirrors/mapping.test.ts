import { describe, expect, test } from 'vitest';
import { Mirrors, placeInMirror } from '../../../../src/sources/mirrors/mapping.ts';

const COMMIT = 'a'.repeat(40);
const FILE = `hf:bartowski/google_gemma-3-4b-it-GGUF@${COMMIT}/google_gemma-3-4b-it-Q4_K_M.gguf`;

describe('where a mirror has a file', () => {
  test.each<[string, string, string, string]>([
    [
      FILE,
      'hf:',
      'https://mirror.example/hf/',
      'https://mirror.example/hf/bartowski/google_gemma-3-4b-it-GGUF/google_gemma-3-4b-it-Q4_K_M.gguf',
    ],
    [
      FILE,
      'hf:bartowski/',
      'https://mirror.example/gguf/',
      'https://mirror.example/gguf/google_gemma-3-4b-it-GGUF/google_gemma-3-4b-it-Q4_K_M.gguf',
    ],
    ['hf:o/r@refs/pr/7/sub dir/a#b.gguf', 'hf:o/r/', 'https://m.example/', 'https://m.example/sub%20dir/a%23b.gguf'],
    [
      'hf:o/r@branch%2Fname/sub dir/a+b.gguf',
      'hf:o/r/',
      'https://m.example/',
      'https://m.example/sub%20dir/a%2Bb.gguf',
    ],
    [FILE, 'hf:', 'oci:registry.example/hf/', 'oci:registry.example/hf/bartowski/google_gemma-3-4b-it-gguf'],
    [FILE, 'hf:bartowski/', 'oci:registry.example:5000/', 'oci:registry.example:5000/google_gemma-3-4b-it-gguf'],
    ['hf:Own/Repo@main/a.gguf', 'hf:Own/Repo/', 'oci:registry.example/gemma/', 'oci:registry.example/gemma'],
    [
      `https://models.example/a/b%20c.gguf#sha256:${'1'.repeat(64)}`,
      'https://models.example/',
      'https://mirror.example/x/',
      'https://mirror.example/x/a/b%20c.gguf',
    ],
    [
      `oci:docker.io/ai/gemma4@sha256:${'1'.repeat(64)}`,
      'oci:docker.io/ai/',
      'oci:registry.example/hub/',
      'oci:registry.example/hub/gemma4',
    ],
    ['oci:localhost:5000/ai/gemma4:e4b', 'oci:localhost:5000/', 'oci:other.example/', 'oci:other.example/ai/gemma4'],
    [
      'oci:localhost:5000/ai/gemma4:e4b#?a.gguf',
      'oci:',
      'oci:other.example/',
      'oci:other.example/localhost:5000/ai/gemma4',
    ],
  ])('%s with %s at %s', (key, prefix, target, address) => {
    const place = placeInMirror(key, { [prefix]: target });
    expect(place === undefined ? undefined : place.kind === 'web' ? place.url : place.ref).toBe(address);
  });

  test('the longest prefix wins, whatever the order', () => {
    const mirrors = { 'hf:': 'https://all.example/', 'hf:bartowski/': 'https://one.example/', 'hf:b': 'x' };
    expect(placeInMirror(FILE, mirrors)).toMatchObject({ url: expect.stringMatching(/^https:\/\/one\.example\//) });
    expect(placeInMirror('hf:unsloth/r@main/a.gguf', mirrors)).toMatchObject({
      url: 'https://all.example/unsloth/r/a.gguf',
    });
  });

  test('what no prefix matches has none', () => {
    expect(placeInMirror(FILE, { 'hf:unsloth/': 'https://m.example/', 'oci:': 'oci:r.example/' })).toBeUndefined();
  });
});

describe('the setting', () => {
  test.each([
    [{ 'hf:': 'https://m.example/' }],
    [{ 'hf:owner/': 'http://10.0.0.7:8080/gguf/' }],
    [{ 'hf:owner/Repo-GGUF/': 'oci:registry.example/hf/' }],
    [{ 'https://models.example/x/': 'https://m.example/' }],
    [{ 'oci:docker.io/ai/': 'oci:registry.example:5000/' }],
  ])('%j', (mirrors) => {
    expect(Mirrors.safeParse(mirrors).success).toBe(true);
  });

  test.each([
    [{ 'hf:owner': 'https://m.example/' }],
    [{ 'hf:owner/repo@main/': 'https://m.example/' }],
    [{ 'ollama:': 'https://m.example/' }],
    [{ '/models/': 'https://m.example/' }],
    [{ 'hf:': 'https://m.example' }],
    [{ 'hf:': 'https://user:secret@m.example/' }],
    [{ 'hf:': 'https://m.example/x?token=1/' }],
    [{ 'hf:': 'file:/models/' }],
    [{ 'hf:': 'oci:registry.example/repo:tag/' }],
    [{ 'oci:docker.io/': 'https://m.example/' }],
  ])('%j is refused', (mirrors) => {
    expect(Mirrors.safeParse(mirrors).success).toBe(false);
  });
});
