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

    public function __construct(private int $steps)
    {
        need_collector(basename($_SERVER['SCRIPT_NAME']));
        $this->before = gc_status();
        memory_reset_peak_usage();
        $this->baseline = memory_get_usage();
    }

    public function pass(int $step): void
    {
        if (intdiv($step * self::COUNT, $this->steps) > intdiv(($step - 1) * self::COUNT, $this->steps)) {
            $status = gc_status();
            $this->list[] = ['iterations' => $step, 'live_bytes' => memory_get_usage() - $this->baseline,
                'runs' => $status['runs'] - $this->before['runs'],
                'collected' => $status['collected'] - $this->before['collected'],
                'threshold' => $status['threshold'], 'roots' => $status['roots']];
        }
    }

    /** One line of JSON on standard output. `more` are figures of one twin alone. */
    public function report(string $program, array $options, int $checksum, array $more = []): void
    {
        echo json_encode(['program' => $program, 'engine' => 'php ' . PHP_VERSION] + $options + [
            'checkpoints' => $this->list,
            'peak_bytes' => memory_get_peak_usage() - $this->baseline,
            'checksum' => $checksum,
        ] + $more, JSON_UNESCAPED_SLASHES), "\n";
    }
}
