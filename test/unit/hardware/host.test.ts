import { describe, expect, test } from 'vitest';
import { GIB } from '../../../src/core/units.ts';
import { guessModelsFolder, type ModelsFolderFacts } from '../../../src/hardware/models-folder.ts';
import { HostProfile } from '../../../src/hardware/schema.ts';
import { errorWith, hang, probe } from './fake-host.ts';

describe('the system', () => {
  test.each([
    ['wsl', { wsl: true }],
    ['kvm', { wsl: false, virtualMachine: 'kvm' }],
    ['docker', { wsl: false, container: 'docker' }],
    ['podman', { wsl: false, container: 'podman' }],
    ['cgroup-v2-container', { wsl: false, container: 'podman' }],
    ['kubernetes', { wsl: false, container: 'kubernetes' }],
    ['lxc', { wsl: false, container: 'lxc' }],
    ['libpod-cgroup', { wsl: false, container: 'podman' }],
    ['bare-metal', { wsl: false }],
    ['bare', { wsl: false }],
  ])('%s', async (tree, expected) => {
    const { os } = await probe({ tree });
    expect(os).toEqual({ platform: 'linux', distribution: 'Ubuntu', release: '24.04', ...expected });
  });

  test('Kubernetes by its environment, before the sign of docker', async () => {
    const { os } = await probe({ tree: 'docker', options: { env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } } });
    expect(os.container).toBe('kubernetes');
  });

  test('an unnamed hypervisor by the CPU flag', async () => {
    const { os } = await probe({ systemInformation: { cpuFlags: async () => 'avx hypervisor' } });
    expect(os.virtualMachine).toBe('unknown');
  });

  test('elsewhere the virtual machine is what systeminformation says', async () => {
    const system = async () => ({ virtual: true, virtualHost: 'Parallels', model: 'x' });
    const { os } = await probe({ options: { platform: 'win32' }, systemInformation: { system } });
    expect(os).toMatchObject({ platform: 'win32', virtualMachine: 'parallels' });
  });

  test('an unknown platform is `other`', async () => {
    expect((await probe({ options: { platform: 'sunos' } })).os.platform).toBe('other');
  });
});

describe('the CPU', () => {
  test('model with its maker, cores and the vector flags that matter', async () => {
    const { cpu } = await probe({});
    expect(cpu).toEqual({
      model: 'AMD Ryzen 7 5700X',
      vendor: 'AMD',
      architecture: 'x64',
      physicalCores: 8,
      logicalCores: 16,
      vectorFlags: ['sse4_2', 'avx', 'avx2', 'fma', 'f16c'],
    });
  });

  test('ARM names become ours', async () => {
    const cpuFlags = async () => 'fp asimd evtstrm asimdhp asimddp i8mm sve';
    const { cpu } = await probe({ options: { architecture: 'arm64' }, systemInformation: { cpuFlags } });
    expect(cpu.vectorFlags).toEqual(['neon', 'dotprod', 'i8mm', 'sve']);
  });

  test('Windows flags are not believed, Apple chips have NEON, Intel Macs are asked by sysctl', async () => {
    const scrambled = { cpuFlags: async () => 'ht avx2' };
    const windows = await probe({ options: { platform: 'win32' }, systemInformation: scrambled });
    expect(windows.cpu.vectorFlags).toEqual([]);
    expect(windows.warnings).toEqual([expect.stringContaining('cannot be read on Windows')]);
    const apple = await probe({ options: { platform: 'darwin', architecture: 'arm64' } });
    expect(apple.cpu.vectorFlags).toEqual(['neon']);
    const intel = await probe({
      options: { platform: 'darwin' },
      programs: () => 'FPU SSE4.2 AVX1.0 FMA\nAVX2 BMI2\n',
    });
    expect(intel.cpu.vectorFlags).toEqual(['sse4_2', 'avx', 'fma', 'avx2', 'bmi2']);
  });

  test('Node is the way out when systeminformation fails or talks nonsense', async () => {
    const cpu = async () => ({ brand: '', manufacturer: '', cores: 0, physicalCores: 0 });
    const nonsense = await probe({ systemInformation: { cpu } });
    expect(nonsense.cpu).toMatchObject({ model: 'Fallback CPU', vendor: 'unknown', physicalCores: 4, logicalCores: 4 });
    const failing = await probe({ systemInformation: { cpu: () => Promise.reject(new Error('lscpu: not found')) } });
    expect(failing.cpu).toMatchObject({ model: 'Fallback CPU', logicalCores: 4 });
    expect(failing.warnings).toEqual(['Asking systeminformation for the CPU failed: lscpu: not found.']);
  });
});

describe('disks', () => {
  const folders = [{ purpose: 'models', path: '/data/ollama/models' }] as const;

  test('a folder that is not there yet counts as its nearest parent', async () => {
    const statfs = async (path: string) => {
      if (path !== '/data') throw errorWith('ENOENT');
      return { free: 10 * GIB, total: 20 * GIB };
    };
    const { disks, sources } = await probe({ statfs, options: { folders } });
    expect(disks).toEqual([{ purpose: 'models', path: '/data/ollama/models', free: 10 * GIB, total: 20 * GIB }]);
    expect(sources['disks.models']).toBe('statfs /data, the nearest folder that exists');
  });

  test.each([
    ['a forbidden folder', () => Promise.reject(errorWith('EACCES', 'permission denied')), 'permission denied'],
    ['a network disk that hangs', hang, 'did not answer within 200 ms'],
    ['a file system that talks nonsense', async () => ({ free: Number.NaN, total: 5 }), 'reports impossible values'],
    ['a drive that is not there', () => Promise.reject(errorWith('ENOENT', 'no such drive')), 'no such drive'],
  ])('%s is a warning', async (_what, statfs, reason) => {
    const { disks, warnings } = await probe({ statfs, options: { folders } });
    expect(disks).toEqual([]);
    expect(warnings).toEqual([
      expect.stringContaining('free space of the models folder /data/ollama/models is not known'),
    ]);
    expect(warnings[0]).toContain(reason);
  });

  test('Windows paths go up to their drive', async () => {
    const asked: string[] = [];
    const statfs = async (path: string) => {
      asked.push(path);
      throw errorWith('ENOENT');
    };
    const options = { platform: 'win32', folders: [{ purpose: 'cache', path: 'D:\\a\\b' }] } as const;
    await probe({ statfs, options });
    expect(asked).toEqual(['D:\\a\\b', 'D:\\a', 'D:\\']);
  });
});

describe('guessModelsFolder', () => {
  const facts = { platform: 'linux', env: {}, home: '/home/sam', exists: async () => false };
  const cases: [Partial<ModelsFolderFacts>, string][] = [
    [{}, '/home/sam/.ollama/models'],
    [{ exists: async () => true }, '/usr/share/ollama/.ollama/models'],
    [{ env: { OLLAMA_MODELS: '/big/models' }, exists: async () => true }, '/big/models'],
    [{ platform: 'darwin', exists: async () => true }, '/home/sam/.ollama/models'],
    [{ platform: 'win32', home: 'C:\\Users\\sam' }, 'C:\\Users\\sam\\.ollama\\models'],
  ];
  test.each(cases)('%j', async (change, expected) => {
    expect(await guessModelsFolder({ ...facts, ...change })).toBe(expected);
  });
});

test('a host where everything hangs still gives a valid profile, soon', async () => {
  const stuck = { cpu: hang, cpuFlags: hang, mem: hang, osInfo: hang, system: hang, graphics: hang };
  const profile = await probe({
    systemInformation: stuck,
    programs: hang,
    readText: hang,
    statfs: hang,
    options: { folders: [{ purpose: 'data', path: '/x' }], timeoutMs: 30 },
  });
  expect(HostProfile.parse(profile)).toEqual(profile);
  expect(profile.warnings.length).toBeGreaterThan(5);
  expect(new Set(profile.warnings).size).toBe(profile.warnings.length);
});

test('every fact names its source', async () => {
  const { sources } = await probe({
    tree: 'cgroup-v2-container',
    options: { folders: [{ purpose: 'cache', path: '/c' }] },
  });
  expect(Object.keys(sources)).toEqual([
    'cpu.architecture',
    'cpu.logicalCores',
    'cpu.model',
    'cpu.physicalCores',
    'cpu.vectorFlags',
    'disks.cache',
    'memory.available',
    'memory.cgroupHeadroom',
    'memory.cgroupLimit',
    'memory.total',
    'memory.usable',
    'os.container',
    'os.distribution',
    'os.platform',
    'os.wsl',
  ]);
});
