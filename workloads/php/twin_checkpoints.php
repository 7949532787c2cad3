<?php
/* What twins say of their memory and of PHP's collector: at some iterations and at the end, as one line of JSON. */
declare(strict_types=1);

class Checkpoints
{
    private array $points = [];
    private int $start;
    private int $distance;
    private array $before;

    /** So many checkpoints, evenly spread over the iterations; `$start` are the bytes in use before the program made anything. */
    public function __construct(int $start, int $iterations, int $count)
    {
        $this->start = $start;
        $this->before = gc_status();
        $this->distance = max(1, intdiv($iterations, $count));
    }

    /** After an iteration. */
    public function pass(int $iteration): void
    {
        if ($iteration % $this->distance === 0) {
            $this->points[] = ['iterations' => $iteration, 'live_bytes' => memory_get_usage() - $this->start]
                + $this->collector();
        }
    }

    public function report(array $options, int $checksum): void
    {
        unset($options['checkpoints']);
        echo json_encode(['engine' => 'php ' . PHP_VERSION] + $options + [
            'checkpoints' => $this->points,
            'peak_bytes' => memory_get_peak_usage() - $this->start,
            'checksum' => sprintf('%08x', $checksum & 0xffffffff),
        ], JSON_UNESCAPED_SLASHES), "\n";
    }

    private function collector(): array
    {
        $status = gc_status();
        return ['runs' => $status['runs'] - $this->before['runs'],
            'collected' => $status['collected'] - $this->before['collected'],
            'threshold' => $status['threshold'], 'roots' => $status['roots']];
    }
}

/** Without cycles being looked for there is nothing to compare. */
function need_collector(string $program): void
{
    if (!gc_enabled()) {
        fail($program, 'the cycle collector is switched off (zend.enable_gc=0)');
    }
    ini_set('memory_limit', '-1');
}
