import { describe, expect, test, vi } from 'vitest';
import { GIB, MIB } from '../../../src/core/units.ts';
import type { SystemInformation } from '../../../src/hardware/port.ts';
import { AVAILABLE, csv, errorWith, hang, type Programs, probe, TOTAL } from './fake-host.ts';

function smi(answer: string | Error | Promise<string>, at = 'nvidia-smi'): Programs {
  return (command) => (command === at ? answer : undefined);
}

function graphics(...controllers: object[]): Partial<SystemInformation> {
  return { graphics: async () => ({ controllers, displays: [] }) };
}

describe('NVIDIA', () => {
  test('sizes, driver and compute capability by nvidia-smi', async () => {
    const { gpus, sources, warnings } = await probe({ programs: smi(csv('rtx-4060.csv')) });
    expect(gpus).toEqual([
      {
        index: 0,
        vendor: 'nvidia',
        model: 'NVIDIA GeForce RTX 4060',
        memoryKind: 'dedicated',
        vramTotal: 8188 * MIB,
        vramFree: 7822 * MIB,
        driver: '551.86',
        computeCapability: '8.9',
        backend: 'cuda',
      },
    ]);
    expect(sources['gpus[0]']).toBe('nvidia-smi, its GPU 0');
    expect(warnings).toEqual([]);
  });

  test('systeminformation, which would run nvidia-smi again, is not asked when nothing is missing', async () => {
    const asked = vi.fn(async () => ({ controllers: [] }));
    await probe({ programs: smi(csv('rtx-4060.csv')), systemInformation: { graphics: asked } });
    expect(asked).not.toHaveBeenCalled();
  });

  test('is found where WSL has it', async () => {
    const { gpus, sources } = await probe({ programs: smi(csv('rtx-4060.csv'), '/usr/lib/wsl/lib/nvidia-smi') });
    expect(gpus).toHaveLength(1);
    expect(sources['gpus[0]']).toBe('/usr/lib/wsl/lib/nvidia-smi, its GPU 0');
  });

  test('a driver that does not know compute_cap is asked without it', async () => {
    const programs: Programs = (command, args) => {
      if (command !== 'nvidia-smi') return undefined;
      return args.join().includes('compute_cap') ? new Error(csv('no-compute-cap.txt')) : csv('old-driver.csv');
    };
    const { gpus, warnings } = await probe({ programs });
    expect(gpus[0]).toMatchObject({ model: 'Tesla K80', vramTotal: 11441 * MIB, driver: '470.256.02' });
    expect(gpus[0]).not.toHaveProperty('computeCapability');
    expect(warnings).toEqual([]);
  });

  test('[N/A] for its memory means that it shares the RAM', async () => {
    const { gpus, warnings } = await probe({ programs: smi(csv('gb10.csv')) });
    expect(gpus[0]).toMatchObject({
      memoryKind: 'unified',
      vramTotal: TOTAL,
      vramFree: AVAILABLE,
      computeCapability: '12.1',
    });
    expect(warnings[0]).toContain('NVIDIA GB10 has no dedicated memory');
  });

  test('an unknown free size stays unknown', async () => {
    const { gpus, warnings } = await probe({ programs: smi(csv('free-unknown.csv')) });
    expect(gpus[0]).toMatchObject({ memoryKind: 'dedicated', vramTotal: 40960 * MIB });
    expect(gpus[0]).not.toHaveProperty('vramFree');
    expect(warnings).toEqual(['nvidia-smi does not report the free memory of NVIDIA A100-SXM4-40GB.']);
  });

  test('a driver that is not loaded is a warning', async () => {
    const { gpus, warnings } = await probe({ programs: smi(new Error(csv('no-driver.txt'))) });
    expect(gpus).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining("couldn't communicate with the NVIDIA driver")]);
  });

  test('an answer that makes no sense is a warning', async () => {
    const { gpus, warnings } = await probe({ programs: smi(csv('nonsense.csv')) });
    expect(gpus).toEqual([]);
    expect(warnings).toEqual(['nvidia-smi printed 1 lines that could not be parsed.']);
  });

  test.each([
    ['it never answers', hang()],
    ['it was ended for taking too long', Object.assign(new Error('killed'), { killed: true })],
  ])('a hanging nvidia-smi (%s) is a warning, and systeminformation is kept from running it', async (_how, answer) => {
    const asked = vi.fn(async () => ({ controllers: [] }));
    const { gpus, warnings } = await probe({ programs: smi(answer), systemInformation: { graphics: asked } });
    expect(gpus).toEqual([]);
    expect(warnings).toEqual(['Asking nvidia-smi for the NVIDIA GPUs did not answer within 200 ms.']);
    expect(asked).not.toHaveBeenCalled();
  });

  describe('CUDA_VISIBLE_DEVICES', () => {
    async function models(value: string, order?: string): Promise<{ models: string[]; warnings: string[] }> {
      const env = { CUDA_VISIBLE_DEVICES: value, CUDA_DEVICE_ORDER: order };
      const { gpus, warnings } = await probe({ programs: smi(csv('two-unlike.csv')), options: { env } });
      return { models: gpus.map(({ model }) => model.replace(/^NVIDIA (GeForce )?/, '')), warnings };
    }

    test.each([
      ['1', ['T1000']],
      ['1,0', ['T1000', 'RTX 3090']],
      ['GPU-aaaa', ['RTX 3090']],
      ['', []],
      ['-1', []],
      ['0,-1,1', ['RTX 3090']],
      ['0,7,1', ['RTX 3090']],
      ['0,0', ['RTX 3090']],
    ])('%j', async (value, expected) => {
      expect((await models(value, 'PCI_BUS_ID')).models).toEqual(expected);
    });

    test('says what it hides, what it names in vain, and that numbers may mean others', async () => {
      expect((await models('GPU-aaaa')).warnings).toEqual(['CUDA_VISIBLE_DEVICES=GPU-aaaa hides 1 of 2 NVIDIA GPUs.']);
      expect((await models('7', 'PCI_BUS_ID')).warnings).toEqual([
        'CUDA_VISIBLE_DEVICES names 7, which nvidia-smi does not list.',
      ]);
      expect((await models('0,1')).warnings).toEqual([expect.stringContaining('CUDA_DEVICE_ORDER=PCI_BUS_ID')]);
    });
  });
});

describe('AMD on Linux', () => {
  test('a card with memory of its own: exact bytes, name by bus address', async () => {
    const name = 'Navi 31 [Radeon RX 7900 XT/7900 XTX]';
    const { gpus } = await probe({
      tree: 'amd-discrete',
      systemInformation: graphics({
        vendor: 'AMD',
        model: name,
        busAddress: '03:00.0',
        vram: 32768,
        vramDynamic: false,
      }),
    });
    expect(gpus).toEqual([
      {
        index: 0,
        vendor: 'amd',
        model: name,
        driver: 'amdgpu',
        memoryKind: 'dedicated',
        vramTotal: 25_753_026_560,
        vramFree: 25_753_026_560 - 1_288_490_188,
        backend: 'rocm',
      },
    ]);
  });

  test('a small card whose name nobody knows and whose GTT is larger is taken for part of the CPU', async () => {
    const { gpus, warnings } = await probe({ tree: 'amd-apu' });
    expect(gpus[0]).toMatchObject({
      model: 'AMD GPU (PCI device 0x15bf)',
      memoryKind: 'unified',
      vramTotal: 536_870_912 + 8_160_837_632,
      vramFree: 536_870_912 - 268_435_456 + 8_160_837_632 - 160_432_128,
      backend: 'none',
    });
    expect(warnings).toEqual([expect.stringContaining('OLLAMA_IGPU_ENABLE=1')]);
  });

  test('what a GPU inside the CPU can have is no more than the RAM that is usable', async () => {
    const mem = async () => ({ total: 8 * GIB, available: 2 * GIB });
    const { gpus } = await probe({ tree: 'amd-apu', systemInformation: { mem } });
    expect(gpus[0]?.vramFree).toBe(536_870_912 - 268_435_456 + 2 * GIB);
  });

  test('Strix Halo computes by itself, others when asked to', async () => {
    const halo = await probe({ tree: 'amd-strix-halo' });
    expect(halo.gpus[0]).toMatchObject({ model: 'AMD Radeon 8060S Graphics', memoryKind: 'unified', backend: 'rocm' });
    expect(halo.warnings).toEqual([]);
    const asked = await probe({ tree: 'amd-apu', options: { env: { OLLAMA_IGPU_ENABLE: '1' } } });
    expect(asked.gpus[0]?.backend).toBe('vulkan');
  });

  test('a card that does not tell its size is not counted on', async () => {
    const { gpus, warnings } = await probe({ tree: 'amd-no-sizes' });
    expect(gpus[0]).toMatchObject({ vendor: 'amd', driver: 'radeon', backend: 'none' });
    expect(gpus[0]).not.toHaveProperty('vramTotal');
    expect(warnings[0]).toContain('does not report its memory size');
  });

  test('ROCR_VISIBLE_DEVICES hides cards', async () => {
    const { gpus, warnings } = await probe({ tree: 'amd-discrete', options: { env: { ROCR_VISIBLE_DEVICES: '-1' } } });
    expect(gpus).toEqual([]);
    expect(warnings[0]).toContain('hides 1 of 1 AMD GPUs');
  });
});

describe('Intel and mixed hosts', () => {
  test('an Intel GPU inside the CPU beside an AMD card', async () => {
    const { gpus } = await probe({
      tree: 'intel-and-amd',
      systemInformation: graphics(
        { vendor: 'Intel Corporation', model: 'Alder Lake-P GT2 [Iris Xe Graphics]', busAddress: '00:02.0', vram: 256 },
        { vendor: 'AMD', model: 'Navi 23 [Radeon RX 6600/6600 XT/6600M]', busAddress: '03:00.0', vram: 256 },
      ),
    });
    expect(gpus).toEqual([
      expect.objectContaining({ index: 0, vendor: 'amd', vramTotal: 8_573_157_376, backend: 'rocm' }),
      expect.objectContaining({ index: 1, vendor: 'intel', memoryKind: 'unified', backend: 'none' }),
    ]);
  });

  test('an Arc card has memory of its own, of a size that nobody tells', async () => {
    const { gpus, warnings } = await probe({
      tree: 'intel-arc',
      systemInformation: graphics({
        vendor: 'Intel Corporation',
        model: 'DG2 [Arc A770]',
        busAddress: '03:00.0',
        vram: 16384,
      }),
    });
    expect(gpus[0]).toMatchObject({ vendor: 'intel', memoryKind: 'dedicated', backend: 'none' });
    expect(warnings).toEqual(['The memory size of DG2 [Arc A770] is not known, so it is not used.']);
  });
});

describe('systeminformation alone', () => {
  const windows = { platform: 'win32' };

  test('Windows: sizes of cards, but not what is free; adapters that only draw are left out', async () => {
    const { gpus, warnings } = await probe({
      options: windows,
      systemInformation: graphics(
        {
          vendor: 'Advanced Micro Devices, Inc.',
          model: 'AMD Radeon RX 6800 XT',
          bus: 'PCI',
          vram: 16368,
          vramDynamic: true,
        },
        { vendor: 'Intel Corporation', model: 'Intel(R) UHD Graphics 770', bus: 'PCI', vram: 128, vramDynamic: true },
        { vendor: 'Microsoft', model: 'Microsoft Basic Render Driver', bus: '', vram: 0, vramDynamic: true },
      ),
    });
    expect(gpus).toEqual([
      {
        index: 0,
        vendor: 'amd',
        model: 'AMD Radeon RX 6800 XT',
        memoryKind: 'dedicated',
        vramTotal: 16368 * MIB,
        backend: 'rocm',
      },
      { index: 1, vendor: 'intel', model: 'Intel(R) UHD Graphics 770', memoryKind: 'unified', backend: 'none' },
    ]);
    expect(warnings).toContain('The free memory of AMD Radeon RX 6800 XT is not known.');
  });

  test('Linux without nvidia-smi: the size of a PCI window is no size', async () => {
    const { gpus } = await probe({
      systemInformation: graphics({
        vendor: 'NVIDIA Corporation',
        model: 'GA104 [GeForce RTX 3070]',
        busAddress: '01:00.0',
        vram: 256,
      }),
    });
    expect(gpus).toEqual([
      { index: 0, vendor: 'nvidia', model: 'GA104 [GeForce RTX 3070]', memoryKind: 'dedicated', backend: 'none' },
    ]);
  });

  test.each([
    [hang],
    [async () => ({ controllers: 'none' })],
    [() => Promise.reject(errorWith('EPIPE', 'lspci broke'))],
  ])('failing is a warning: %s', async (answer) => {
    const { gpus, warnings } = await probe({ systemInformation: { graphics: answer } });
    expect(gpus).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('Asking systeminformation for the GPUs')]);
  });
});

describe('Apple', () => {
  const mac = { platform: 'darwin', architecture: 'arm64' };
  function sysctl(values: Record<string, string>): Programs {
    return (command, [, name]) =>
      command === 'sysctl' ? (values[name ?? ''] ?? new Error(`unknown oid '${name}'`)) : undefined;
  }
  const m3 = {
    'machdep.cpu.brand_string': 'Apple M3 Max\n',
    'hw.memsize': `${36 * GIB}\n`,
    'iogpu.wired_limit_mb': '0\n',
  };

  test('three quarters of a large RAM, two thirds of a small one', async () => {
    const large = await probe({ options: mac, programs: sysctl(m3) });
    expect(large.gpus).toEqual([
      {
        index: 0,
        vendor: 'apple',
        model: 'Apple M3 Max',
        memoryKind: 'unified',
        vramTotal: 27 * GIB,
        vramFree: 24 * GIB,
        backend: 'metal',
      },
    ]);
    const small = await probe({ options: mac, programs: sysctl({ ...m3, 'hw.memsize': String(16 * GIB) }) });
    expect(small.gpus[0]?.vramTotal).toBe(Math.floor(0.67 * 16 * GIB));
  });

  test('a limit that the owner raised', async () => {
    const { gpus, sources } = await probe({
      options: mac,
      programs: sysctl({ ...m3, 'iogpu.wired_limit_mb': '32768' }),
    });
    expect(gpus[0]?.vramTotal).toBe(32 * GIB);
    expect(sources['gpus[0]']).toContain('iogpu.wired_limit_mb');
  });

  test('without the limit of newer systems, and without sysctl at all', async () => {
    const { 'iogpu.wired_limit_mb': _gone, ...older } = m3;
    expect((await probe({ options: mac, programs: sysctl(older) })).gpus[0]?.vramTotal).toBe(27 * GIB);
    const none = await probe({ options: mac });
    expect(none.gpus[0]).toMatchObject({ model: 'Apple GPU', vramTotal: 24 * GIB });
    expect(none.warnings).toHaveLength(2);
  });
});
