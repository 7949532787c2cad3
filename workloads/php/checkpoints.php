<?php
/* What the twins of long-running workloads say of themselves: live bytes and the state of PHP's collector on the way. */
declare(strict_types=1);

/** Created before anything that lives on is made: live bytes, and what the collector did, are counted from there. */
class Checkpoints
{
    private const COUNT = 10;

    private array $list = [];
    private int $baseline;
    private array $before;
    private ?int $passed_ns = null;
    private int $longest_step_ns = 0;
    private static int $highest_handle = 0;

    public function __construct(private int $steps)
    {
        need_collector(basename($_SERVER['SCRIPT_NAME']));
        $this->before = gc_status();
        memory_reset_peak_usage();
        $this->baseline = memory_get_usage();
    }

    /**
     * Called where the most objects are alive, if there are very many: Zend's table of handles is in its heap. All below the
     * next one are in use then. Static: a call through an object would make a possible root of it.
     */
    public static function seeHandles(): void
    {
        self::$highest_handle = max(self::$highest_handle, spl_object_id(new stdClass()));
    }

    /** By how much the table of handles has grown: 8 bytes each, doubled from 1,024 on, and never smaller again. */
    private function handleTableGrowth(): int
    {
        for ($capacity = 1024; $capacity <= self::$highest_handle; $capacity *= 2);
        return 8 * ($capacity - 1024);
    }

    public function pass(int $step): void
    {
        $now_ns = hrtime(true);
        $this->longest_step_ns = max($this->longest_step_ns, $now_ns - ($this->passed_ns ?? $now_ns));
        if (intdiv($step * self::COUNT, $this->steps) > intdiv(($step - 1) * self::COUNT, $this->steps)) {
            $status = gc_status();
            $this->list[] = ['iterations' => $step, 'live_bytes' => memory_get_usage() - $this->baseline,
                'runs' => $status['runs'] - $this->before['runs'],
                'collected' => $status['collected'] - $this->before['collected'],
                'threshold' => $status['threshold'], 'roots' => $status['roots'],
                'handle_table_bytes' => $this->handleTableGrowth()];
        }
        $this->passed_ns = hrtime(true);
    }

    /** One line of JSON on standard output. `more` are figures of one twin alone. */
    public function report(string $program, array $options, int $checksum, array $more = []): void
    {
        echo json_encode(['program' => $program, 'engine' => 'php ' . PHP_VERSION] + $options + [
            'checkpoints' => $this->list,
            'peak_bytes' => memory_get_peak_usage() - $this->baseline,
            'longest_step_ns' => $this->longest_step_ns,
            'checksum' => $checksum,
        ] + $more, JSON_UNESCAPED_SLASHES), "\n";
    }
}
