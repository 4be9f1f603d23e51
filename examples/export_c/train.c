/* Trains the digits network with the libraries that export.py wrote: no Python, no framework.

   cc -O2 -Itrain -Iclassify train.c train/train.o classify/classify.o -lm -o digits && ./digits
   the same with -fopenmp: on all cores
*/
#define _POSIX_C_SOURCE 199309L
#include "classify.h"
#include "train.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef _OPENMP
#define THREADS graphc_openmp
#else
#define THREADS NULL
#endif

enum { BATCH = 64, PIXELS = 784, EPOCHS = 20, ARRAYS = 6 };
static const size_t COUNTS[ARRAYS] = {784 * 128, 128, 128 * 64, 64, 64 * 10, 10};

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    long size;
    void *data;
    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
        fail(path);
    rewind(file);
    data = malloc((size_t)size);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        fail(path);
    fclose(file);
    *bytes = (size_t)size;
    return data;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(void)
{
    size_t bytes, held_out_bytes, unused;
    float *images = read_file("training_images.bin", &bytes);
    int64_t *labels = read_file("training_labels.bin", &unused);
    float *held_out = read_file("held_out_images.bin", &held_out_bytes);
    int64_t *held_out_labels = read_file("held_out_labels.bin", &unused);
    float *weights = read_file("weights.bin", &unused);
    int64_t count = (int64_t)(bytes / sizeof(float) / PIXELS);
    int64_t held_out_count = (int64_t)(held_out_bytes / sizeof(float) / PIXELS);

    /* W1, b1, W2, b2, W3, b3, and as many velocities, which begin as zeros. */
    float *p[ARRAYS], *v[ARRAYS];
    float *next = weights;
    for (int k = 0; k < ARRAYS; k++) {
        p[k] = next;
        v[k] = calloc(COUNTS[k], sizeof(float));
        next += COUNTS[k];
    }
    int64_t size = classify_workspace_size(held_out_count);
    if (size < train_workspace_size())
        size = train_workspace_size();
    void *workspace = malloc((size_t)size);

    double best = 1e9;
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        double total = 0;
        int steps = 0;
        for (int64_t start = 0; start + BATCH <= count; start += BATCH, steps++) {
            float loss;
            double began = seconds();
            int32_t status = train_run_parallel(
                p[0], p[1], p[2], p[3], p[4], p[5], v[0], v[1], v[2], v[3], v[4], v[5],
                images + start * PIXELS, labels + start, &loss, workspace, THREADS, NULL);
            double taken = seconds() - began;
            if (status != TRAIN_DONE)
                fail(train_message(status));
            if (taken < best)
                best = taken;
            total += loss;
        }
        printf("epoch %d: loss %.9f\n", epoch + 1, total / steps);
    }

    int64_t *found = malloc((size_t)held_out_count * sizeof(int64_t));
    int32_t status = classify_run_parallel(held_out_count, p[0], p[1], p[2], p[3], p[4], p[5],
                                           held_out, found, workspace, THREADS, NULL);
    if (status != CLASSIFY_DONE)
        fail(classify_message(status));
    int64_t right = 0;
    for (int64_t k = 0; k < held_out_count; k++)
        right += found[k] == held_out_labels[k];
    printf("accuracy: %.1f %%\n", 100.0 * (double)right / (double)held_out_count);
    printf("%.0f microseconds a step, at best\n", 1e6 * best);

    for (int k = 0; k < ARRAYS; k++)
        free(v[k]);
    free(images);
    free(labels);
    free(held_out);
    free(held_out_labels);
    free(weights);
    free(workspace);
    free(found);
    return 0;
}
